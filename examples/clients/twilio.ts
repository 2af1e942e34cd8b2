import { type Session, tokenSource } from 'refresh-once'

/** What a client of Twilio has for its token: of Conversations and Sync, and of Voice (`Device`). */
export interface TwilioClient {
  on(event: string, listener: () => void): unknown
  updateToken(token: string): unknown
}

/** Twilio says so three minutes before the end at the earliest: what is handed over lasts longer than that. */
const MIN_VALIDITY = 200_000

/**
 * Makes a client of Twilio with a token of `session`, and hands it a new one before, or when, that has expired. The session
 * is one for Twilio's tokens: its `refresh` asks your server for one, through the guarded client of the user's session.
 */
export async function openTwilio<Client extends TwilioClient>(
  session: Session,
  make: (token: string) => Client,
  onProblem: (problem: unknown) => void,
): Promise<Client> {
  const { token, refused } = tokenSource(session, { minValidity: MIN_VALIDITY })
  const client = make(await token())
  const renew = async (): Promise<void> => {
    try {
      await client.updateToken(await token())
    } catch (problem) {
      onProblem(problem)
    }
  }
  for (const event of ['tokenAboutToExpire', 'tokenWillExpire']) client.on(event, () => void renew())
  client.on('tokenExpired', () => {
    void refused()
    void renew()
  })
  return client
}
