import { item } from '../reader.js'

export default async function Layout({ children }) {
  const { user, generation } = await item('shared')
  return (
    <html lang="en">
      <body>
        <i>{`layout of ${user}, ${generation}`}</i>
        {children}
      </body>
    </html>
  )
}
