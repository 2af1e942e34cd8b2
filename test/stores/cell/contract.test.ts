import { cellStore } from 'refresh-once/cell'
import { storeContract } from 'refresh-once/testing'
import { describe, test } from 'vitest'
import { newCells } from './cells.ts'

describe('a cell that tells', () => {
  const cells = newCells()
  for (const { name, run } of storeContract((place, lease) => cellStore(cells(place), { lease })))
    test(name, run)
})

describe('a cell that is asked', () => {
  const cells = newCells()
  const silent = (place: string) => ({ ...cells(place), watch: undefined })
  for (const { name, run } of storeContract((place, lease) => cellStore(silent(place), { lease, poll: 20 })))
    test(name, run)
})
