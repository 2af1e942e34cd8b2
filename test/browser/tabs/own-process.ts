import { descendants } from './processes.ts'

/** The process of one tab, where an engine gives each tab its own. */
export interface OwnProcess {
  kill(): void
  stop(): void
  goOn(): void
}

/**
 * Opens tabs one after another, so that the process that is new belongs to the tab that is new.
 *
 * @param fits the command line of the processes that run pages
 */
export function openerWithProcess(
  fits: RegExp,
): <T>(open: () => Promise<T>) => Promise<{ opened: T; process: () => OwnProcess }> {
  let last: Promise<unknown> = Promise.resolve()
  return (open) => {
    const next = last.then(async () => {
      const before = descendants(process.pid, fits)
      const opened = await open()
      const added = descendants(process.pid, fits).filter((pid) => !before.includes(pid))
      return { opened, process: () => only(added) }
    })
    last = next.catch(() => {})
    return next
  }
}

function only(pids: readonly number[]): OwnProcess {
  const [pid, ...others] = pids
  if (pid === undefined || others.length > 0)
    throw new Error(`a new tab has started ${pids.length} processes; expected one`)
  return {
    kill: () => void process.kill(pid, 'SIGKILL'),
    stop: () => void process.kill(pid, 'SIGSTOP'),
    goOn: () => void process.kill(pid, 'SIGCONT'),
  }
}
