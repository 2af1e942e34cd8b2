import { type AuthServer, type AuthServerOptions, createAuthServer } from 'refresh-once/testing'
import { afterAll, beforeAll, describe, onTestFinished } from 'vitest'
import type { Engine, Tab } from './engine.ts'
import { engines } from './engines.ts'
import type { Member } from './member.ts'
import type { Start } from './page/session.ts'
import { openSite, type Site } from './site.ts'

/** A tab, and the page in it. */
export type StagedTab<T extends Tab = Tab> = T & Member

/** A site of its own, a server of its own, and tabs of one browser. */
export interface Stage<T extends Tab = Tab> {
  readonly site: Site
  readonly server: AuthServer
  /** Opens a tab, without a session unless it is told how it starts. */
  open(start?: Partial<Start>, host?: string): Promise<StagedTab<T>>
  /** Opens several at once. */
  openAll(count: number, start: Partial<Start>): Promise<StagedTab<T>[]>
  /** Puts a session into a context. */
  start(member: Member, start?: Partial<Start>): Promise<void>
  /** Closes what is left. */
  end(): Promise<void>
}

interface Opener<T extends Tab> extends Engine {
  open(url: string): Promise<T>
}

/** Sets a stage in one browser, until the test is over. */
export type SetStage<T extends Tab = Tab> = (options?: AuthServerOptions) => Promise<Stage<T>>

/** Describes what holds in every engine. */
export function inEachEngine(what: string, tests: (set: SetStage, engine: () => Engine) => void): void {
  for (const { name, launch } of engines) inEngine(name, launch, what, tests)
}

/** Describes what holds in one engine. */
export function inEngine<T extends Tab, E extends Opener<T>>(
  name: string,
  launch: () => Promise<E>,
  what: string,
  tests: (set: SetStage<T>, engine: () => E) => void,
): void {
  describe(`${what} (${name})`, () => {
    let engine: E
    beforeAll(async () => {
      engine = await launch()
    })
    afterAll(() => engine?.close())
    tests(
      async (options) => {
        const stage = await raiseStage<T>(engine, options)
        onTestFinished(stage.end)
        return stage
      },
      () => engine,
    )
  })
}

/** For more than one test; who raises it ends it. */
export async function raiseStage<T extends Tab>(
  engine: Opener<T>,
  options?: AuthServerOptions,
): Promise<Stage<T>> {
  const [site, server] = await Promise.all([openSite(), createAuthServer(options)])
  const tabs: T[] = []
  let opened = 0
  const start: Stage['start'] = (member, start) => member.call('start', { server: server.url, ...start })

  async function open(given?: Partial<Start>, host?: string): Promise<StagedTab<T>> {
    const id = `tab-${++opened}`
    const member = site.member(id)
    const tab = await engine.open(site.page(id, host))
    tabs.push(tab)
    await member.untilConnected()
    if (given) await start(member, given)
    return Object.defineProperties(tab, Object.getOwnPropertyDescriptors(member)) as StagedTab<T>
  }

  return {
    site,
    server,
    start,
    open,
    openAll: (count, start) => Promise.all(Array.from({ length: count }, () => open(start))),
    async end() {
      // Some are closed, or dead, by now.
      await Promise.all(tabs.map((tab) => tab.close().catch(() => {})))
      await Promise.all([site.close(), server.close()])
    },
  }
}
