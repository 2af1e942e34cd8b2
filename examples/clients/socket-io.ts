import { type Session, tokenSource } from 'refresh-once'
import { io, type Socket } from 'socket.io-client'

/** A socket that comes back with a fresh token. `onProblem` is told why it does not. */
export function openSocket(session: Session, url: string, onProblem: (problem: Error) => void): Socket {
  const { token, refused } = tokenSource(session, { minValidity: 30_000 })
  let refusals = 0
  const giveUp = (problem: Error): void => {
    socket.disconnect()
    onProblem(problem)
  }
  const socket = io(url, {
    auth: (send) => token().then((token) => send({ token }), giveUp),
  })
  socket.on('connect', () => {
    refusals = 0
  })
  socket.on('connect_error', (error) => {
    // It comes back by itself, unless the server has refused it.
    if (socket.active) return
    if (error.message !== 'unauthorized' || ++refusals === 2) return giveUp(error)
    void refused()
    socket.connect()
  })
  // The server ends a socket together with its token, for example.
  socket.on('disconnect', (reason) => {
    if (reason === 'io server disconnect') socket.connect()
  })
  return socket
}
