import { useState } from 'react'
import { Pressable, Text, View } from 'react-native'
import { createSession } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { useSession } from 'refresh-once/react'
import { live } from './life.js'

const session = createSession({
  refresh: ({ signal }) => fetch('/refresh', { method: 'POST', credentials: 'include', signal }),
})

const post = (path, body) =>
  fetch(path, {
    method: 'POST',
    credentials: 'include',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

export default function App() {
  const { signedIn } = useSession(session)
  const [result, setResult] = useState()
  async function start() {
    const authFetch = withSession(session)
    const get = async (path) => {
      const response = await authFetch(path)
      if (!response.ok) throw new Error(String(response.status))
      return response.json()
    }
    setResult(await live({ session, get, post }).catch(String))
  }
  if (signedIn === undefined) return <Text>one moment</Text>
  return (
    <View>
      <Pressable role="button" onPress={start}>
        <Text>start</Text>
      </Pressable>
      <Text>{signedIn ? 'signed in' : 'signed out'}</Text>
      {result && <Text testID="result">{JSON.stringify(result)}</Text>}
    </View>
  )
}
