// Where one writes a message; and above it who else is writing, or why nothing goes out now.

import { byTestId, h } from './element.js'
import { shownName } from './names.js'

/** A loss shorter than this is not worth a sentence. */
const OFFLINE_NOTE_DELAY_MS = 1_500
const OFFLINE = 'Offline. Your messages wait here.'
const VIEW_ONLY = 'You have view-only access.'

/** @param {{ onWrite: (text: string) => void }} options */
export function createComposer ({ onWrite }) {
  const form = document.querySelector('.composer')
  const field = byTestId('message-field')
  const send = byTestId('send-message')
  const line = byTestId('typing')
  let talk = null
  let offlineTimer = 0
  let offlineNote = ''

  const fit = () => {
    field.style.height = 'auto'
    field.style.height = `${field.scrollHeight + 2}px`
    send.disabled = field.value.trim() === ''
  }

  const drawLine = () => {
    const names = offlineNote ? [] : [...talk.room.typists.keys()].filter((user) => user !== talk.tutti.userId).map(shownName)
    const text = names.length === 0
      ? offlineNote
      : names.length === 1 ? `${names[0]} is typing` : names.length === 2 ? `${names.join(' and ')} are typing` : 'Several people are typing'
    line.replaceChildren(text, ...(names.length > 0 ? [h('span', { class: 'dots' }, h('i'), h('i'), h('i'))] : []))
    line.classList.toggle('is-note', offlineNote !== '')
  }

  const setNote = (note) => {
    offlineNote = note
    drawLine()
  }

  /** Who may only read is not asked for messages that would be refused. */
  const onAccess = ({ access }) => {
    const mayWrite = access !== 'read'
    form.hidden = !mayWrite
    if (!mayWrite) setNote(VIEW_ONLY)
    else if (offlineNote === VIEW_ONLY) setNote('')
  }

  const onState = ({ state, reason }) => {
    if (state === 'connecting') return
    clearTimeout(offlineTimer)
    offlineTimer = 0
    field.disabled = state === 'closed'
    if (state === 'offline' && !offlineNote) offlineTimer = setTimeout(() => setNote(OFFLINE), OFFLINE_NOTE_DELAY_MS)
    else if (state !== 'offline' && offlineNote !== VIEW_ONLY) setNote(state === 'closed' ? `Closed: ${reason}.` : '')
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const text = field.value.trim()
    if (!text) return
    field.value = ''
    fit()
    onWrite(text)
  })
  field.addEventListener('keydown', (event) => {
    // Enter also ends the choice of a character in writing systems that need one.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    form.requestSubmit()
  })
  field.addEventListener('input', () => {
    fit()
    talk.room.typing(field.value.trim() !== '')
  })
  fit()

  return {
    follow (tutti, room) {
      talk = { tutti, room }
      const ifCurrent = (act) => (event) => { if (room === talk.room) act(event) }
      tutti.on('state', ifCurrent(onState))
      room.on('typing', ifCurrent(drawLine))
      room.on('joined', ifCurrent(onAccess))
      room.on('access', ifCurrent(onAccess))
      drawLine()
    }
  }
}
