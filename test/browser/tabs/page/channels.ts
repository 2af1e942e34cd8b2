const names = new Set<string>()
const heard: unknown[] = []
const looks = new Set<() => void>()
const Real = self.BroadcastChannel

/** Names of all channels that this page opens from now on are known. */
class KnownChannel extends Real {
  constructor(name: string) {
    super(name)
    names.add(name)
  }
}
if (Real) self.BroadcastChannel = KnownChannel

/** What somebody does who has got hold of the channels. */
export const channelActions = {
  channels: (): string[] => [...names],

  /** Takes down all that is said from now on. */
  listen(channels: readonly string[]): void {
    for (const name of channels) {
      new Real(name).onmessage = ({ data }) => {
        heard.push(data)
        for (const look of [...looks]) look()
      }
    }
  },
  heard: (): unknown[] => heard,

  /** Resolves once all that was said before this word has been heard. */
  untilHeard: (word: string): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!heard.includes(word)) return
        looks.delete(look)
        resolve()
      }
      looks.add(look)
      look()
    }),

  say(channels: readonly string[], messages: readonly unknown[]): void {
    for (const name of channels) {
      const channel = new Real(name)
      for (const message of messages) channel.postMessage(message)
      channel.close()
    }
  },
}
