/** A thread with a session of its own. */
import { parentPort, workerData } from 'node:worker_threads'
import { openLogin } from './login.mjs'

const ask = openLogin(workerData, () => parentPort.postMessage({ refreshing: true }))
parentPort.on('message', async (calls) => {
  parentPort.postMessage({ statuses: await Promise.all(Array.from({ length: calls }, ask)) })
})
