const COUNTERS = [
  ['refreshes', 'Refreshes'],
  ['wire', 'On the wire'],
  ['failed', 'Failed'],
  ['twice', 'Executed twice'],
  ['took', 'Last answer'],
]

const ENDINGS = {
  reuse: 'signed out: a refresh token came twice',
  refused: 'signed out: the refresh was refused',
  'sign-out': 'signed out',
}

/** A lane on the page: its heading, the server's numbers, and the timeline. */
export function createLaneView({ id, title, hint }) {
  const root = element('section', { class: 'lane', 'data-lane': id, 'aria-labelledby': `${id}-title` })
  const status = element('span', { class: 'status' })
  const values = new Map()
  const counters = element('dl', { class: 'counters' })
  for (const [name, label] of COUNTERS) {
    const value = element('dd', { 'data-number': name }, '0')
    values.set(name, value)
    const pair = element('div')
    pair.append(element('dt', {}, label), value)
    counters.append(pair)
  }
  const heading = element('h2', { id: `${id}-title` }, title)
  const head = element('div', { class: 'lane-head' })
  head.append(heading, element('p', { class: 'hint' }, hint), status)
  const timeline = element('refresh-once-timeline', { plain: '', label: `Requests: ${title}` })
  root.append(head, timeline, counters)

  return {
    root,
    timeline,

    /** What the server has counted. */
    showNumbers(numbers) {
      for (const [name, value] of values) {
        value.textContent = name === 'took' ? `${numbers.took} ms` : String(numbers[name])
      }
      // To try once more after a 503 is right; to refresh twice is not.
      mark('refreshes', numbers.refreshes - numbers.unavailable > 1)
      mark('failed', numbers.failed > 0)
      mark('twice', numbers.twice > 0)
      status.textContent = ENDINGS[numbers.signedOut] ?? (numbers.signedIn ? 'signed in' : 'not signed in')
      status.dataset.state = numbers.signedIn ? 'in' : numbers.signedOut === 'sign-out' ? 'left' : 'out'
    },
  }

  function mark(name, bad) {
    values.get(name).classList.toggle('bad', bad)
  }
}

export function element(tag, attributes = {}, text = '') {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  if (text) made.textContent = text
  return made
}
