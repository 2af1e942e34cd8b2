/** Where the token belongs in the tests of origins. */
export const HOME = 'https://api.good.com'

/** What it is, the URL, and whether axios appends it to a base URL (and so makes a path of the trusted host of it). */
export const HOSTILE: [what: string, url: string, appended: boolean][] = [
  ['the trusted host as userinfo', 'https://api.good.com@evil.com/x', false],
  ['the trusted host as userinfo with a password', 'https://api.good.com:443@evil.com/x', false],
  ['the trusted host as a label', 'https://api.good.com.evil.com/x', false],
  ['a protocol-relative URL', '//evil.com/x', false],
  ['a slash and a backslash', '/\\evil.com/x', true],
  ['two backslashes', '\\\\evil.com/x', true],
  ['a newline in the scheme', 'ht\ntps://evil.com/x', true],
  ['a tab in the host', 'https://api.good\t.com.evil.com/x', false],
  ['a leading space', ' https://evil.com/x', true],
  ['a percent-encoded dot in the host', 'https://api.good.com%2eevil.com/x', false],
  ['a percent-encoded slash in the host', 'https://api.good.com%2fevil.com/x', false],
  ['look-alike letters', 'https://аpi.good.com/x', false],
  ['look-alike digits', 'https://api.g00d.com/x', false],
  ['a trailing dot', 'https://api.good.com./x', false],
  ['another port', 'https://api.good.com:8443/x', false],
  ['plain http', 'http://api.good.com/x', false],
  ['plain http on the port of https', 'http://api.good.com:443/x', false],
  ['a subdomain', 'https://sub.api.good.com/x', false],
  ['the parent domain', 'https://good.com/x', false],
  ['the trusted host in the query', 'https://evil.com?@api.good.com/x', false],
  ['the trusted host in the fragment', 'https://evil.com#@api.good.com/x', false],
  ['the trusted host behind a backslash', 'https://evil.com\\@api.good.com/x', false],
  ['the trusted URL in the path', 'https://evil.com/https://api.good.com/x', false],
  ['another scheme', 'ftp://api.good.com/x', false],
  ['web sockets', 'wss://api.good.com/x', false],
]
