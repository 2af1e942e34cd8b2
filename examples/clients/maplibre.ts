import { type Session, tokenSource } from 'refresh-once'

/** Of MapLibre's `RequestParameters`, what is needed here. */
interface TileRequest {
  url: string
  headers?: Record<string, string>
}

interface MapRequests {
  /** An option of `Map`. */
  transformRequest(url: string): TileRequest
  /** For `map.on('error', …)`. */
  onError(event: { error: { status?: number; url?: string } }): void
}

/** The token goes to `origin` only. `reload` is called when tiles that were refused can be asked for again. */
export async function mapRequests(
  session: Session,
  origin: string,
  reload: () => void,
): Promise<MapRequests> {
  const { token, refused } = tokenSource(session)
  // MapLibre does not wait for a token: it has to be there.
  let present = await token()
  const renew = async (): Promise<void> => {
    present = await token()
  }
  /** Many tiles are on their way at once: which token each has got. */
  const sent = new Map<string, string>()
  return {
    transformRequest(url) {
      if (new URL(url).origin !== origin) return { url }
      // For the next one.
      renew().catch(() => {})
      sent.set(url, present)
      return { url, headers: { Authorization: `Bearer ${present}` } }
    },
    onError({ error: { status, url = '' } }) {
      const accessToken = sent.get(url)
      if (status !== 401 || !accessToken) return
      sent.delete(url)
      refused(accessToken)
        .then(renew)
        .then(reload, () => {})
    },
  }
}
