// The text that is open: the shared document, its connection and its editor, and what the page shows of them.

import * as Y from 'yjs'
import { freeColour, lightOf } from './colours.js'
import { Connection } from './connection.js'
import { revealCursor } from './cursors.js'
import { openDocument } from './documents.js'
import { createEditor } from './editor.js'
import { byTestId } from './element.js'
import { showNotice, showSaved, showStatus } from './facts.js'
import { randomDocumentName } from './names.js'
import { personOf } from './person.js'
import { copy } from './share.js'
import { button, isTextShown, showCard, showText } from './stage.js'
import { toast } from './toast.js'

const TEXT = 'content'
/** On a touch screen the focus would bring up the keyboard, unasked. */
const HAS_KEYBOARD = matchMedia('(pointer: fine)')
/** A loss shorter than this is not worth a sentence; the bar shows it anyway. */
const NOTICE_DELAY_MS = 1_500
const OFFLINE_NOTICE = {
  text: 'The server is out of reach. Keep typing: your text stays in this window and is sent as soon as it answers.',
  none: 'The server is out of reach. Trying again…'
}

/**
 * Opens the text for the guest as they are now. What was open `before`, for the guest under another name, hands over its content, so that
 * nothing flickers and nothing unsaved is lost, but not its Yjs client: the server knows each client as one user's.
 */
export function openText ({ name, guest, people, documents, before = null }) {
  const doc = new Y.Doc()
  if (before) Y.applyUpdate(doc, before.content)
  const text = doc.getText(TEXT)
  const connection = new Connection({ document: name, doc, guest, isDirty: before?.isDirty ?? false })
  const { awareness } = connection
  const editor = createEditor({ parent: byTestId('editor'), text, awareness, label: `Text of ${name}`, selection: before?.selection })
  editor.setWritable(before !== null)
  if (before) editor.view.scrollDOM.scrollTop = before.scrollTop

  doc.on('update', documents.noticeEdit)
  connection.addEventListener('saved', () => showSaved(connection.saved))
  connection.addEventListener('status', () => {
    showStatus(connection.state)
    if (connection.state === 'live') onLive(editor)
    if (connection.state === 'live' && !awareness.getLocalState().user) appear(awareness, guest)
    if (connection.state === 'offline') noticeLater(connection)
    if (connection.state === 'denied') onDenied(connection, editor, text)
  })
  connection.addEventListener('refused', () => {
    editor.setWritable(false)
    showNotice('You may read this document, not change it.')
  })
  showStatus(connection.state)
  showSaved(connection.saved)
  people.follow(awareness, guest.user)

  return {
    isDirty: () => connection.isDirty,
    reveal: (cursor) => revealCursor(editor.view, text, cursor),

    /** The same text, for a guest who has become another user. */
    reopen () {
      const { anchor, head } = editor.view.state.selection.main
      const left = {
        content: Y.encodeStateAsUpdate(doc),
        isDirty: connection.isDirty,
        selection: { anchor, head },
        scrollTop: editor.view.scrollDOM.scrollTop
      }
      editor.destroy()
      connection.close()
      doc.destroy()
      return openText({ name, guest, people, documents, before: left })
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
  editor.setWritable(true)
  if (isFirst && document.activeElement === document.body && HAS_KEYBOARD.matches) editor.view.focus()
}

function noticeLater (connection) {
  setTimeout(() => {
    if (connection.state === 'offline') showNotice(isTextShown() ? OFFLINE_NOTICE.text : OFFLINE_NOTICE.none)
  }, NOTICE_DELAY_MS)
}

function onDenied (connection, editor, text) {
  editor.setWritable(false)
  showCard({
    ...connection.denial,
    actions: [
      button('Try again', () => location.reload(), 'primary'),
      text.length > 0 && button('Copy the text', async () => { if (await copy(text.toString())) toast('Text copied.') }),
      button('Start a new document', () => openDocument(randomDocumentName()))
    ]
  })
}
