/**
 * What each app does: somebody signs in, the access token ends, three requests come at once, somebody else signs in, and
 * signs out. Everything goes to a real server; what comes back says whose token was sent.
 *
 * @param session of the app
 * @param get `(path) => whatever the API has answered, as JSON`, guarded
 * @param post `(path, body) => Response`, not guarded
 */
export async function live({ session, get, post }) {
  const signIn = async (user) =>
    session.signIn(await (await post('/login', { user, password: 'secret' })).json())
  const who = async (id) => (await get(`/api/items?id=${id}`)).user
  await signIn('alice')
  const first = await who(1)
  await post('/expire')
  const expired = await Promise.all([who(2), who(3), who(4)])
  await signIn('bob')
  const other = await who(5)
  await session.signOut({ server: () => post('/logout') })
  const refused = await who(6).then(
    (user) => String(user),
    () => 'refused',
  )
  return { first, expired, other, refused, status: session.state.status }
}
