import { browserStore } from 'refresh-once/browser'
import { describe, expect, test } from 'vitest'

describe('a mistake in the options is a TypeError that names it', () => {
  test.each([
    ['no options', undefined, /^browserStore: expected a name, got undefined/],
    ['no name', {}, /^browserStore: expected a name, got undefined/],
    ['an empty name', { name: '' }, /^browserStore: expected a name, got an empty string/],
    ['a name that is no text', { name: 7 }, /^browserStore: expected a name, got number/],
    ['a place that there is not', { name: 'app', persist: 'cloud' }, /persist/],
    ['a lease of no time', { name: 'app', lease: 0 }, /lease/],
    ['a lease in a text', { name: 'app', lease: '60000' }, /lease/],
  ])('%s', (_, options, message) => {
    expect(() => browserStore(options as never)).toThrow(TypeError)
    expect(() => browserStore(options as never)).toThrow(message)
  })

  test('a name that would be another once it is encoded, without repeating it', () => {
    for (const name of ['\ud800', '\udc00', 'app\ud83d', '\ude00\ud83d']) {
      expect(() => browserStore({ name })).toThrow(/^browserStore: expected a name, got one with half/)
      expect(() => browserStore({ name })).not.toThrow(name)
    }
    expect(() => browserStore({ name: 'app\ud83d\ude00' }).close()).not.toThrow()
  })
})
