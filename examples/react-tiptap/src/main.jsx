// #region app
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { TuttiProvider, usePresence } from 'tutti/react'
import { Chat } from './Chat.jsx'
import { Editor } from './Editor.jsx'

const user = new URLSearchParams(location.search).get('user') ?? 'alice'
const { server } = await (await fetch('/config')).json()
const fetchToken = async () => (await fetch(`/token?user=${user}`)).text()

function People ({ room }) {
  const { users } = usePresence(room)
  return <p data-testid="people">Here: {users.map(({ name }) => name).join(', ')}</p>
}

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <TuttiProvider url={`${server}/ws`} token={fetchToken}>
      <People room="docs/article" />
      <main>
        <Editor url={`${server}/hocuspocus`} room="docs/article" user={user} fetchToken={fetchToken} />
        <Chat room="docs/article" />
      </main>
    </TuttiProvider>
  </StrictMode>
)
// #endregion
