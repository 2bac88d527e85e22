// #region chat
import { useMessages, useTyping } from 'tutti/react'

export function Chat ({ room }) {
  const { messages, send } = useMessages(room)
  const { typists, typing } = useTyping(room)
  const onSubmit = (event) => {
    event.preventDefault()
    const field = event.target.elements.text
    send(field.value) // resolves when it is committed; waits while offline
    field.value = ''
  }
  return (
    <section>
      <ol>{messages.map(({ seq, user, text }) => <li key={seq}><b>{user}</b> {text}</li>)}</ol>
      <p>{typists.length > 0 && `${typists.map(({ name }) => name).join(', ')} typing…`}</p>
      <form onSubmit={onSubmit}><input name="text" aria-label="Message" onChange={() => typing()} /></form>
    </section>
  )
}
// #endregion
