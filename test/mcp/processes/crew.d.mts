import type { World } from '../world.ts'

export interface Worker {
  readonly name: string
  kill(): void
}

export interface Crew {
  readonly workers: readonly Worker[]
  signIn(): Promise<void>
  storm(calls: number, round: number): Promise<string[]>
  end(): Promise<void>
}

export declare function startCrew(world: World, way: 'ours' | 'sdk', processes: number): Promise<Crew>
