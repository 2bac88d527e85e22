// The text that is open: the shared document, kept in this browser, its connection and its editor, and what the page shows of them.
// Whatever the editor; what only one of them knows stands in markdown/ and tiptap/.

import * as Y from 'yjs'
import { freeColour, lightOf } from './colours.js'
import { copy } from './clipboard.js'
import { openDocument } from './documents.js'
import { byTestId } from './element.js'
import { keepText } from './kept.js'
import { randomDocumentName } from './names.js'
import { personOf } from './person.js'
import { button, isTextShown, showCard, showText } from './stage.js'
import { noteKept, showNotice, showStanding } from './standing.js'
import { toast } from './toast.js'

/** On a touch screen the focus would bring up the keyboard, unasked. */
const HAS_KEYBOARD = matchMedia('(pointer: fine)')

/**
 * Opens the text for the guest as they are now. What was open `before`, for the guest under another name, hands over its content, so that
 * nothing flickers and nothing unsaved is lost, but not its Yjs client: the server knows each client as one user's.
 *
 * @param {object} options
 * @param {(given: object) => Editor} options.openEditor connects the document and shows it
 * @typedef {object} Editor
 * @property {import('/tutti.js').DocumentSync} sync
 * @property {import('y-protocols/awareness').Awareness} awareness
 * @property {(isWritable: boolean) => void} setWritable
 * @property {() => void} focus
 * @property {(person: { user: string, cursor: object }) => void} reveal brings that person's cursor into view
 * @property {() => string} text as plain text
 * @property {() => string} title of the document by its first heading; empty if there is none
 * @property {() => object} place where one reads and writes, to be there again
 * @property {() => void} destroy
 */
export async function openText ({ name, room, guest, mayEdit, people, documents, talk, openEditor, onTitle, onFrame, before = null }) {
  const doc = new Y.Doc()
  let isDirty = false
  if (before) {
    Y.applyUpdate(doc, before.content)
    isDirty = before.isDirty
  }
  if (mayEdit && await keepText(room, doc)) {
    noteKept()
    // It may hold what was typed without a connection, in this visit or another.
    isDirty ||= doc.store.clients.size > 0
  }
  const editor = openEditor({
    parent: byTestId('editor'), tools: byTestId('tools'), room, doc, guest, talk, isDirty, label: `Text of ${name}`, place: before?.place, onFrame
  })
  const { sync, awareness } = editor
  let forgetAccess = sync.takeAccess(talk.room)
  let titleTimer = 0

  const showTitle = () => {
    titleTimer ||= setTimeout(() => {
      titleTimer = 0
      onTitle(editor.title())
    }, 300)
  }
  const onChange = (state) => {
    showStanding(state)
    const isRefusedAll = state.connection === 'closed'
    // Offline one may go on, once it is known that one may.
    editor.setWritable(mayEdit && !isRefusedAll && (state.access === 'write' || state.access === 'admin') && (state.connection !== 'connecting' || before !== null))
    if (state.connection === 'online') onLive(editor)
    if (state.connection === 'online' && awareness.getLocalState() && !awareness.getLocalState().user) appear(awareness, guest)
    if (isRefusedAll) onClosed(state, editor)
  }
  doc.on('update', documents.noticeEdit)
  doc.on('update', showTitle)
  sync.on('change', onChange)
  sync.on('refused', ({ reason }) => {
    editor.setWritable(false)
    showNotice(`View only: the server refused a change (${reason}).`)
  })
  onChange(sync.state)
  // Kept text can be read at once, while the server is still asked.
  if (doc.store.clients.size > 0) showText()
  showTitle()
  people.follow(awareness, guest.user)

  return {
    isDirty: () => !sync.state.isSaved,
    reveal: (person) => editor.reveal(person),

    /** Takes the access from the room of another connection from now on. */
    followTalk (newTalk) {
      forgetAccess()
      forgetAccess = sync.takeAccess(newTalk.room)
    },

    /** The content, for a guest who has become another user. */
    close () {
      const left = { content: Y.encodeStateAsUpdate(doc), isDirty: !sync.state.isSaved, place: editor.place() }
      clearTimeout(titleTimer)
      forgetAccess()
      editor.destroy()
      doc.destroy()
      return left
    }
  }
}

/** Shows the guest to the others, once it is known which colours they wear. */
function appear (awareness, guest) {
  const colours = (isAsked) => new Set([...awareness.getStates()]
    .filter(([client, state]) => state?.user && client !== awareness.clientID && isAsked(client))
    .map(([client, state]) => personOf(client, state))
    // The server may have stood in for this guest, who was there by message first.
    .filter(({ user }) => user !== guest.user)
    .map(({ colour }) => colour))
  const wear = (color) => {
    awareness.setLocalStateField('user', { name: guest.name, color, colorLight: lightOf(color), user: guest.user })
    document.documentElement.style.setProperty('--own', color)
  }
  wear(freeColour(guest.user, colours(() => true)))
  // Two who came at once may have chosen alike: the later client gives way.
  awareness.on('change', () => {
    const own = awareness.getLocalState()?.user
    if (own && colours((client) => client < awareness.clientID).has(own.color)) {
      const free = freeColour(guest.user, colours(() => true))
      if (free !== own.color) wear(free)
    }
  })
}

function onLive (editor) {
  const isFirst = !isTextShown()
  showText()
  if (isFirst && document.activeElement === document.body && HAS_KEYBOARD.matches) editor.focus()
}

/** What a final refusal means to the person at the screen. */
function onClosed ({ reason }, editor) {
  const text = editor.text()
  showCard({
    title: 'The server closed this document',
    reason,
    actions: [
      button('Try again', () => location.reload(), 'primary'),
      text !== '' && button('Copy the text', async () => { if (await copy(text)) toast('Text copied.') }),
      button('Start a new document', () => openDocument(randomDocumentName()))
    ]
  })
}
