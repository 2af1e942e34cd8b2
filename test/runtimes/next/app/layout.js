import { Suspense } from 'react'
import { item } from '../reader.js'

async function Visitor() {
  const { user, generation } = await item('shared')
  return <i>{`layout of ${user}, ${generation}`}</i>
}

export default function Layout({ children }) {
  return (
    <html lang="en">
      <body>
        <Suspense>
          <Visitor />
        </Suspense>
        <Suspense>{children}</Suspense>
      </body>
    </html>
  )
}
