/** A cluster: its workers serve one port, those that die are replaced, and each has a session of its own, the primary too. */
import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { openLogin } from './login.mjs'

const { many, ...login } = JSON.parse(process.argv[2])
const tell = (message) => new Promise((resolve) => process.send(message, resolve))
const ask = openLogin(login, () => tell({ refreshing: process.pid }))
const answer = async (number) => tell({ number, status: await ask() })

if (cluster.isPrimary) {
  cluster.on('message', (_, message) => process.send(message))
  cluster.on('listening', ({ process: { pid } }, { port }) => process.send({ listening: pid, port }))
  cluster.on('exit', () => cluster.fork())
  process.on('message', ({ number, pid }) => {
    if (pid === process.pid) return answer(number)
    Object.values(cluster.workers)
      .find((worker) => worker.process.pid === pid)
      .send({ number })
  })
  for (let index = 0; index < many; index++) cluster.fork()
} else {
  process.on('message', ({ number }) => answer(number))
  createServer(async (_, response) => {
    const text = JSON.stringify({ pid: process.pid, status: await ask() })
    response.writeHead(200, { connection: 'close' }).end(text)
  }).listen(0, '127.0.0.1')
}
process.on('disconnect', () => process.exit())
