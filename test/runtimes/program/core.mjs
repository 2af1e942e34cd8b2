import { findSessionError, isSessionError } from 'refresh-once'
import { equal, rejection } from './assert.mjs'
import { open } from './session.mjs'

export const core = {
  async 'twenty calls of getAccessToken, one refresh'(given) {
    const { access_token, refresh_token } = given.tokens
    const tokens = { accessToken: access_token, refreshToken: refresh_token, expiresAt: 1 }
    const session = open({ ...given, tokens })
    const answers = await Promise.all(Array.from({ length: 20 }, () => session.getAccessToken()))
    equal(new Set(answers).size, 1, 'different tokens')
    equal(answers[0] === access_token, false, 'the old token')
    equal(session.state.generation, 2, 'generation')
    session.close()
  },

  async 'signs in and out, and tells subscribers'(given) {
    const session = open({ ...given, tokens: null })
    const seen = []
    const stop = session.subscribe(({ status }) => seen.push(status))
    equal(session.state.status, 'signed-out', 'at first')
    const refused = await rejection(session.getAccessToken(), 'nobody is signed in')
    equal(findSessionError(refused)?.code, 'session_expired', 'code')
    await session.signIn(given.tokens)
    equal(await session.getAccessToken(), given.tokens.access_token, 'token')
    await session.signOut()
    equal(isSessionError(await rejection(session.getAccessToken(), 'after the sign-out')), true, 'error')
    stop()
    await session.signIn(given.tokens)
    equal(seen, ['signed-in', 'signed-out'], 'what a subscriber heard')
    session.close()
  },
}
