import type { Clock } from '../../core/clock.ts'
import { InProcessStore } from '../../core/in-process-store.ts'
import type { SessionStore } from '../../core/store.ts'
import { createUnsaved } from './unsaved.ts'

/**
 * Goes on without Redis while it is away: what was seen last is the record, and the turn is this process's own.
 * Whatever is saved meanwhile is saved again when Redis is back.
 *
 * Nothing keeps two processes from refreshing at once then, and a refresh token from being sent twice.
 */
export function orLocally(store: SessionStore, clock: Clock, lease: number): SessionStore {
  const memory = new InProcessStore(clock, lease)
  const unsaved = createUnsaved(clock, store.save)
  let alone = false
  let report: (reason: string) => void = () => {}

  return {
    ...store,

    async load() {
      // Begun before anything is awaited: it may be answered from the turn that has just begun.
      const stored = alone ? undefined : await store.load().catch(() => undefined)
      return stored ? memory.save(stored) : memory.load()
    },

    async save(next) {
      const saved = await memory.save(next)
      const saving = store.save(next).catch(() => unsaved.add(next))
      const stored = alone ? undefined : await saving
      return stored ? memory.save(stored) : saved
    },

    async exclusive(work, signal) {
      let begun = false
      try {
        return await store.exclusive((lease) => {
          begun = true
          return work(lease)
        }, signal)
      } catch (error) {
        if (begun || Object(error).code !== 'redis_unavailable') throw error
      }
      report('Redis is not available: this process refreshes by itself')
      return memory.exclusive(async (lease) => {
        alone = true
        try {
          return await work(lease)
        } finally {
          alone = false
        }
      }, signal)
    },

    watch(listener, degraded) {
      if (degraded) report = degraded
      return store.watch((stored) => {
        void memory.save(stored)
        listener(stored)
      }, degraded)
    },
  }
}
