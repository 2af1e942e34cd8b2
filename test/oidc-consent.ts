import type { IncomingMessage, ServerResponse } from 'node:http'
import type Provider from 'oidc-provider'

/**
 * Answers what the provider asks of the user, by the next redirect: whoever comes to sign in is Alice, and agrees to
 * everything.
 *
 * @param granted is told of each grant
 */
export async function agree(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
  granted: (accountId: string, grantId: string) => void = () => {},
): Promise<void> {
  const { prompt, params, session } = await provider.interactionDetails(request, response)
  if (prompt.name === 'login')
    return provider.interactionFinished(request, response, { login: { accountId: 'alice' } })
  const accountId = String(session?.accountId)
  const grant = new provider.Grant({ accountId, clientId: String(params.client_id) })
  grant.addOIDCScope(String(params.scope))
  const consent = { grantId: await grant.save() }
  granted(accountId, consent.grantId)
  await provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true })
}
