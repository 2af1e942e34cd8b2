/** Of `@cloudflare/workers-types`, what the sample takes. */
declare module 'cloudflare:workers' {
  export class DurableObject {
    protected ctx: {
      storage: {
        get<T>(key: string): Promise<T | undefined>
        put(key: string, value: unknown): Promise<void>
      }
    }
  }
}

interface DurableObjectNamespace<Methods> {
  idFromName(name: string): object
  get(id: object): Methods
}
