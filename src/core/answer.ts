/** What a refresh came back with, whichever client has asked. */
export interface RefreshAnswer {
  /** HTTP status. */
  status: number | undefined
  /** The body, parsed where it is JSON or a form. Where nothing was answered: what was returned or thrown. */
  body: unknown
  /** What the server calls `error`. */
  error: string | undefined
  /** What it says of that. */
  description: string | undefined
  /** Where it came from. */
  url: unknown
  /** A header, by its name in lower case; empty where it is missing. */
  header(name: string): string
  /** All that the server says. What clients say in sentences of their own does not count. */
  words: string
  /** `+`: the body has words of its own; `<`: it is a page. */
  form: '' | '+' | '<'
  /** Names, codes and messages of clients' errors. */
  faults: string
  /** The message of the innermost of these errors. */
  innermost: string
}

type Members = Record<string, unknown>

interface Headers extends Members {
  get?(name: string): unknown
  getResponseHeader?(name: string): unknown
}

/** Under these names clients' errors and responses have the answer, its status, and what it says. */
const MEMBERS =
  'response rawResponse cause error data body _data text bodyText value detail networkError graphQLErrors errors extensions meta xhr $metadata status statusCode httpCode code name message errorCode oauth2Code error_description'.split(
    ' ',
  )

/** What was sent is no answer; and addresses, dates, and what any firewall says, are no words. */
const PASSED_OVER =
  /^(config|request|req|options|input|operation|headers?|output|socket|stack|\w*(id|path|url)) |^\w+ (\d(?!\d? \w+:)|\/|http|forbidden$|missing authentication token|syntaxerror)/i

/** What a client puts around a body, by its members. */
const WRAPPER =
  /^(?!.*access_?token).*(\b(headers?|response|responseText|meta|json)\b|data error|status (body|data))/i

/** Token responses are small; whatever is longer is not one, and is not read to its end. */
const LONGEST_BODY = 2 ** 18

/** No client wraps an answer in more objects; a body may hold any number. */
const MOST_OBJECTS = 60

/**
 * Finds the answer in what `refresh` has returned or thrown: a response, an error with one at any depth, a body,
 * or what people make of these. The outermost counts, and each object once.
 */
export async function readAnswer(source: unknown, threw: boolean): Promise<RefreshAnswer> {
  let status: number | undefined
  let body: unknown
  let error: string | undefined
  let description: string | undefined
  let url: unknown
  let words = ''
  let form: RefreshAnswer['form'] = ''
  let faults = ''
  let innermost = ''
  const headers: Headers[] = []
  const items = new Set([source])

  const readText = (text: string, counts?: boolean): void => {
    const value = parse(text)
    if (value instanceof Object) {
      body ??= value
      items.add(value)
    } else if (/^\s*</.test(text)) form ||= '<'
    else {
      words += ` ${text.slice(0, 999)}`
      if (counts) form = '+'
    }
  }

  const readObject = async (item: Members): Promise<void> => {
    if (item.byteLength) return readText(new TextDecoder().decode(item as unknown as ArrayBuffer))
    const parent = Object.getPrototypeOf(item)
    // Of any realm: test runners and frames have several. What was thrown with a stack is an error that was serialised.
    const plain =
      (Array.isArray(item) || !parent || !Object.getPrototypeOf(parent)) &&
      !(threw && item === source && item.stack)
    const own = Object.keys(item)
    // Whatever somebody calls the error, or the body, that he has put into his own.
    const names = plain ? own : item.stack ? MEMBERS.concat(own) : MEMBERS
    const isBody = plain && names[0] !== undefined && !WRAPPER.test(own.join(' '))
    if (isBody) body ??= item
    if (item.headers) url ??= item.url
    headers.push(
      ...([item.headers, item.header, item.metadata, item.getResponseHeader && item].filter(
        Boolean,
      ) as Headers[]),
    )
    for (const name of names) {
      const value = item[name]
      // Most members that clients have are not there.
      if (value === undefined) continue
      // Behind other origins scripts see no such header.
      if (/^retry_?(after|delay)$/i.test(name)) headers.push({ 'retry-after': value })
      const text = typeof value === 'string' ? value : ''
      if (PASSED_OVER.test(`${name} ${text}`)) continue
      if (typeof value === 'number') {
        const told = /status|httpcode/i.test(name)
        if (plain && value === 401) words += ' unauthorized'
        if (value > 99 && value < 600) {
          if (told || (!plain && name === 'code')) status ??= value
          // XMLHttpRequest, of an answer that did not come. An opaque Response has no message.
        } else if (told && !status && (threw || (item.message && !plain))) faults += ' network'
      } else if (!text) items.add(value)
      else if (
        plain ? !status && /^(\w*Error|request): ?|_ERROR$/.test(text) : /^(name|message|code)$/.test(name)
      ) {
        faults += ` ${text.slice(0, 999).replace(/\S+:\/\/\S+|<.*/gs, '')}`
        if (name === 'message') innermost = text
        if (!plain) readText(/^(\[\w+\]|\d+ \w+:|\S+$|{.*)/s.exec(text)?.[0] ?? '')
      } else {
        if (name === 'error') error ??= text
        if (/desc|message/.test(name)) description ??= text
        readText(text, isBody)
      }
    }
    if (item.bodyUsed) return
    const { text, json } = item as Partial<Response>
    if (typeof text === 'function') readText(await readBody(item as unknown as Response))
    // Hand-made, as tests have it.
    else if (typeof json === 'function') items.add(await json.call(item))
  }

  for (const item of items) {
    try {
      if (typeof item === 'string') readText(item)
      else if (typeof item === 'object' && item && items.size < MOST_OBJECTS)
        await readObject(item as Members)
    } catch (fault) {
      // A body that broke off, or a getter's own fault: then the rest must do.
      faults += ` terminated ${fault}`
    }
  }
  if (!status) body ??= source
  const header = (name: string) =>
    `${headers.map((some) => some.get?.(name) ?? some.getResponseHeader?.(name) ?? Object.entries(some).find(([key]) => key.toLowerCase() === name)?.[1]).find(Boolean) ?? ''}`
  return { status, body, error, description, url, header, words, form, faults, innermost }
}

/** JSON, or a form: so the elders of RFC 6749 answer. */
function parse(text: string): unknown {
  try {
    // An exception for each token and message would cost more than all the rest.
    if (/^\s*[[{]/.test(text)) return JSON.parse(text)
  } catch {}
  return /^\w+=[^\s<]*(&|$)/.test(text) ? Object.fromEntries(new URLSearchParams(text)) : undefined
}

/** The text of a body, or the beginning of a page where it is too long to be anything else. */
export async function readBody(answer: Response): Promise<string> {
  const reader = answer.body?.getReader?.()
  if (!reader) return answer.text()
  const decoder = new TextDecoder()
  for (let text = ''; text.length < LONGEST_BODY; ) {
    const { done, value } = await reader.read()
    if (done) return text
    text += decoder.decode(value, { stream: true })
  }
  reader.cancel().catch(() => {})
  return '<'
}
