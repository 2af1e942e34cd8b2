/**
 * The table of contents: the sidebar, `llms.txt` and the pages of the site are made of it. A page is named by its source
 * in the repository, its title is its first line, and beside it is what it answers.
 */
export const HOME = 'README.md'

export const CONTENTS = [
  {
    title: 'Begin',
    pages: {
      'docs/why.md': 'what goes wrong with a flag and a queue, and what helps',
      'docs/quick-start.md': 'the lines for axios, fetch, cookies, OAuth, and for CLIs and agents',
      'docs/playground.md': 'a session in simulated time, to drag and to break, and what `npm start` shows',
      'docs/recipes.md':
        'where tokens live, cookies, OAuth, React, retry layers, other headers, login, sign-out',
      'docs/assistants.md': 'what coding assistants should read first, and three mistakes to avoid',
    },
  },
  {
    title: 'Clients and frameworks',
    pages: {
      'docs/clients.md': 'ky, Apollo, tRPC, the OpenAI SDK and more, each with the few lines that it takes',
      'docs/nextjs.md': 'visitors who stay signed in where the server renders',
      'docs/react-native.md': 'React Native and Expo: the keychain, going to sleep, coming back',
      'docs/runtimes.md': 'Node, Bun, Deno, workerd, browsers, bundlers: what was tried, and how they differ',
      'docs/newcomer.md': 'ten small apps from an empty folder, with Vite, Next.js, Express, Jest and others',
    },
  },
  {
    title: 'Tabs and servers',
    pages: {
      'docs/tabs.md': 'one session for all tabs and workers of an origin, and what is kept where',
      'docs/redis.md': 'processes and machines that share a user, and what each fault costs',
      'docs/stores.md': 'Postgres, Upstash, durable objects, and any engine that can compare and replace',
      'docs/bff.md': 'a server that keeps the tokens, and a page that has a cookie only',
      'docs/servers.md': 'what an authorization server should do, and what providers answer',
    },
  },
  {
    title: 'OAuth, CLIs and agents',
    pages: {
      'docs/oauth.md': 'grants, the code of a sign-in, client credentials, DPoP, several audiences, step-up',
      'docs/cli.md': 'command-line tools, coding agents and daemons that share one login in a folder',
      'docs/mcp.md': 'one refresh for all transports and processes of a Model Context Protocol client',
    },
  },
  {
    title: 'While you develop',
    pages: {
      'docs/devtools.md': 'a timeline of requests, refreshes and token windows, in the page and as text',
      'docs/testing.md': 'an authorization server with faults on demand, and a clock that one turns',
      'docs/errors.md': 'each message of the package by its code, what it means and what to do',
    },
  },
  {
    title: 'Switching',
    pages: {
      'docs/migrating.md': 'from interceptors, queues and SDKs: before and after',
      'docs/from-axios-refresh-me.md': 'change one import; what is different then',
      'docs/from-axios-auth-refresh.md': 'change one import; what is different then',
    },
  },
  {
    title: 'Security',
    pages: {
      'docs/threat-model.md': 'what is protected, what is not, where tokens are, and what is told of them',
      'SECURITY.md': 'who attacks, what holds them, and how to report a vulnerability',
    },
  },
  {
    title: 'How and why',
    pages: {
      'docs/guide.md': 'how a request and a refresh go through a session, and which file owns what',
      'docs/comparison.md': 'the same requests with other libraries: what is lost, hangs, or is sent twice',
      'docs/measurements.md': 'refreshes, requests, milliseconds and bytes, by benchmarks that one can run',
      'docs/decisions.md': 'what was chosen where several ways were open, and why',
    },
  },
  {
    title: 'API',
    pages: { 'docs/api.md': 'every option, method and event on one page' },
  },
  {
    title: 'The project',
    pages: {
      'CHANGELOG.md': 'what has changed for those who use it',
      'CONTRIBUTING.md': 'commands, folders and style',
    },
  },
]

/** All sources, the home page first. */
export const SOURCES = [HOME, ...CONTENTS.flatMap(({ pages }) => Object.keys(pages))]

/** Where the page of a source is in the site: without the folder, in lower case. */
export function placeOf(source) {
  return source === HOME ? 'index.md' : source.replace(/^.*\//, '').toLowerCase()
}
