const workers: unknown[] = []

/** Other contexts that a page opens. Each connects to the test itself, by its own `id`. */
export const placeActions = {
  addFrame: (url: string): Promise<void> =>
    new Promise((resolve) => {
      const frame = document.createElement('iframe')
      frame.onload = () => resolve()
      frame.src = url
      document.body.append(frame)
    }),
  addWorker(url: string): void {
    workers.push(new Worker(url))
  },
  addSharedWorker(url: string): void {
    workers.push(new SharedWorker(url))
  },
}
