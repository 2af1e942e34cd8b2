import { initTRPC } from '@trpc/server'

const { router, procedure } = initTRPC.create()

/** A parser of one member, in the place of a schema. */
function text<Name extends string>(name: Name) {
  return (input: unknown): Record<Name, string> => {
    const value: unknown = Object(input)[name]
    if (typeof value !== 'string') throw new TypeError(`${name} must be a string`)
    return { [name]: value } as Record<Name, string>
  }
}

export const appRouter = router({
  item: procedure.input(text('id')).query(({ input }) => ({ id: input.id })),
  keep: procedure.input(text('text')).mutation(({ input }) => input.text.length),
})

export type AppRouter = typeof appRouter
