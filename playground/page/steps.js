import { LATE_CALLS, ONE_CALL, STORM, THREE_CALLS } from '../storm.mjs'

const ALL = ['every-401', 'queue', 'axios-refresh-me', 'refresh-once']

/**
 * The tour: a step is one button that makes something happen, and one sentence that says what to look at.
 *
 * `lanes` are those that take part; `verdict` reads what the servers have counted.
 */
export const STEPS = [
  {
    name: 'A request',
    about: 'the token is good',
    title: 'A request goes out with a token',
    text: 'You are signed in: the app has an access token, which lives for some seconds, and a refresh token, for the next one.',
    button: 'Send one request',
    look: 'Look at the blue bar: one request, one answer. Nothing else has to happen while the background is green.',
    lanes: ['refresh-once'],
    calls: ONE_CALL,
    verdict: ({ 'refresh-once': { wire, refreshes } }) => `${wire} request, ${refreshes} refreshes.`,
  },
  {
    name: 'It expires',
    about: 'one 401, one refresh',
    title: 'The token expires',
    text: 'The API refuses the old token with 401. The app asks for a new one, and sends the request again.',
    button: 'Let it expire, and send one',
    look: 'Look at the row from left to right: refused, held while the violet refresh runs, sent again in green. The user sees none of it.',
    lanes: ['refresh-once'],
    calls: ONE_CALL,
    expired: true,
    verdict: ({ 'refresh-once': { wire, refreshes } }) =>
      `${wire} sends, ${refreshes} refresh, and an answer.`,
  },
  {
    name: 'Three at once',
    about: 'three 401s',
    title: 'A page asks for three things',
    text: 'Each gets its own 401, and in the interceptor that everybody writes first, each refreshes for itself.',
    button: 'Send three requests',
    look: 'Look at the first row: three refreshes with one refresh token. It is good for one use; the server takes the second for theft, and ends the session.',
    lanes: ['every-401'],
    calls: THREE_CALLS,
    expired: true,
    verdict: ({ 'every-401': it }) =>
      `${it.refreshes} refreshes, ${it.failed} of ${it.asked} lost${it.signedIn ? '' : ', and the user is signed out'}.`,
  },
  {
    name: 'Side by side',
    about: 'fifteen 401s, four ways',
    title: 'A dashboard opens with a dead token',
    text: 'Fifteen requests, three of them slow, on one time axis: the same requests at the same moment, four ways to deal with it.',
    button: 'Send fifteen, four ways',
    look: 'Look at the first row of each: its bars are refreshes, red where one was refused. One is right; each further one spends a token, time, or the session.',
    lanes: ALL,
    calls: STORM,
    expired: true,
    verdict: compare,
  },
  {
    name: 'The late one',
    about: 'an old 401 arrives',
    title: 'A 401 comes when the refresh is over',
    text: 'The third request was sent with the old token and took its time. Its 401 says nothing about the new token.',
    button: 'Send two, and a slow one',
    look: 'Look to the right of the first violet bar: who does not know which token a 401 is about refreshes once more, for nothing.',
    lanes: ALL,
    calls: LATE_CALLS,
    expired: true,
    verdict: compare,
  },
  {
    name: 'No answer',
    about: 'the refresh fails',
    title: 'The refresh itself fails, once',
    text: 'The server answers the refresh with 503, as happens when it is deployed. The refresh token is still good.',
    button: 'Fail one refresh',
    look: 'Look at the red bars: a failure for a moment is no reason to lose a request, to hang, or to sign anybody out.',
    lanes: ALL,
    calls: THREE_CALLS,
    expired: true,
    fault: 'fails-once',
    verdict: compare,
  },
  {
    name: 'Then: tabs',
    about: 'one sign-in',
    title: 'The user has three tabs',
    text: 'They share one refresh token, and each finds out at the same time. Three frames of this page stand for them; open real ones, too.',
    button: 'Let three tabs send at once',
    look: 'Look at the counter below the rows: one refresh has reached the server. The bars of the first row are the tabs that waited for it.',
    lanes: ['tabs'],
    tabs: 3,
    verdict: ({ tabs: { refreshes, failed, asked } }) =>
      `${refreshes} ${refreshes === 1 ? 'refresh' : 'refreshes'} for three tabs; ${failed} of ${asked} requests lost.`,
  },
]

const TITLES = {
  'every-401': 'Every 401 refreshes',
  queue: 'A queue',
  'axios-refresh-me': 'axios-refresh-me',
  'refresh-once': 'refresh-once',
}

function compare(numbers) {
  return ALL.map((id) => {
    const { refreshes, failed, asked, signedIn } = numbers[id]
    const times = `${refreshes} ${refreshes === 1 ? 'refresh' : 'refreshes'}`
    return `${TITLES[id]}: ${times}, ${failed} of ${asked} lost${signedIn ? '' : ', signed out'}.`
  }).join('\n')
}
