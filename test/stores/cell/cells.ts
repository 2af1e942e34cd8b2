import { setTimeout as sleep } from 'node:timers/promises'
import type { Cell } from 'refresh-once/cell'

/** Whole cells, and what can be done to one from outside. */
export interface TriedCell extends Cell {
  watch(changed: () => void): () => void
  text(): string | undefined
  write(text: string | undefined): void
}

/** Cells by place, as an engine in another process has them: each answer takes a moment. */
export function newCells(): (place: string) => TriedCell {
  const texts = new Map<string, string>()
  const watches = new Map<string, Set<() => void>>()
  return (place) => ({
    async read() {
      await sleep(1)
      return texts.get(place)
    },
    async replace(before, after, told) {
      await sleep(1)
      if (texts.get(place) !== before) return false
      texts.set(place, after)
      if (told) for (const changed of watches.get(place) ?? []) queueMicrotask(changed)
      return true
    },
    watch(changed) {
      const all = watches.get(place) ?? new Set()
      watches.set(place, all.add(changed))
      queueMicrotask(changed)
      return () => all.delete(changed)
    },
    text: () => texts.get(place),
    write(text) {
      if (text === undefined) texts.delete(place)
      else texts.set(place, text)
    },
  })
}
