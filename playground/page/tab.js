/** One tab of a user who has several: they share one session. */
import { createSession } from 'refresh-once'
import { browserStore } from 'refresh-once/browser'
import { shareEvents } from 'refresh-once/devtools'
import { withSession } from 'refresh-once/fetch'

const CALLS = 5

const name =
  new URLSearchParams(location.search).get('name') ?? `tab ${Math.random().toString(36).slice(2, 5)}`
const { lanes } = await (await fetch('/control/lanes')).json()
const { origin } = lanes.find(({ id }) => id === 'tabs')
const post = (path, signal) => fetch(`${origin}${path}`, { method: 'POST', credentials: 'include', signal })
const session = createSession({
  refresh: ({ signal }) => post('/auth/refresh', signal),
  store: browserStore({ name: `playground ${origin}` }),
})
shareEvents(session, name)
const api = withSession(session, { origins: [origin] })
const state = document.querySelector('#state')
const button = document.querySelector('#send')

async function send() {
  const body = JSON.stringify({ lane: 'tabs', size: CALLS })
  const { first } = await (await fetch('/control/run', { method: 'POST', body })).json()
  state.textContent = 'Sending …'
  await Promise.allSettled(
    Array.from({ length: CALLS }, (_, index) => api(`${origin}/api/items/${first + index}`)),
  )
  await fetch('/control/run-ended', {
    method: 'POST',
    body: JSON.stringify({ lane: 'tabs', first, size: CALLS }),
  })
  state.textContent = `${name}: ${session.state.status}, token set ${session.state.generation}`
}

const channel = new BroadcastChannel('playground')
channel.addEventListener('message', async ({ data }) => {
  if (data.ask === 'ready') channel.postMessage({ ready: name })
  if (data.ask !== 'send') return
  await send()
  channel.postMessage({ sent: name })
})
button.addEventListener('click', send)
state.textContent = `${name}: ready. It has the sign-in of the others.`
button.disabled = false
channel.postMessage({ ready: name })
