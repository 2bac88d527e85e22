// The page's beginning: which document, who we are, and the parts put together. Each part knows only itself; what one must know of
// another passes through here.

import * as Y from 'yjs'
import { restOf } from './api.js'
import { colourOf, freeColour, lightOf } from './colours.js'
import { Connection } from './connection.js'
import { revealCursor } from './cursors.js'
import { createDocuments, createNewDocumentButton, openDocument, pathOf } from './documents.js'
import { createEditor } from './editor.js'
import { byTestId } from './element.js'
import { showNotice, showSaved, showStatus } from './facts.js'
import { enter } from './guest.js'
import { createHistory } from './history.js'
import { isDocumentName, randomDocumentName, slugify } from './names.js'
import { createPanels } from './panels.js'
import { createPeople } from './people.js'
import { copy, createShare } from './share.js'
import { button, isTextShown, link, showCard, showLoading, showText } from './stage.js'
import { createThemeToggle } from './theme.js'
import { toast } from './toast.js'

const FIRST_DOCUMENT = 'hello'
const TEXT = 'content'
const ENTER_RETRY_MS_MAX = 10_000
/** On a touch screen the focus would bring up the keyboard, unasked. */
const HAS_KEYBOARD = matchMedia('(pointer: fine)')
/** A loss shorter than this is not worth a sentence; the bar shows it anyway. */
const NOTICE_DELAY_MS = 1_500
const OFFLINE_NOTICE = {
  text: 'The server is out of reach. Keep typing: your text stays in this window and is sent as soon as it answers.',
  none: 'The server is out of reach. Trying again…'
}

createThemeToggle()
if (location.pathname === '/') history.replaceState(null, '', pathOf(FIRST_DOCUMENT))
createNewDocumentButton()
const written = writtenName(location.pathname)
const name = isDocumentName(written) ? written : null
if (name === null) showUnknownName()
else start()

/** What the address names, whether or not a document can have that name. */
function writtenName (path) {
  const escaped = path.replace(/^\/d\//, '')
  try {
    return decodeURIComponent(escaped)
  } catch {
    return escaped
  }
}

function showUnknownName () {
  const meant = slugify(written)
  document.body.classList.add('is-nowhere')
  showStatus('denied')
  showCard({
    title: 'No document can have this name',
    reason: 'Names are made of letters, digits, spaces and . _ ~ : @ / - and have at most 150 characters.',
    actions: [meant !== '' && link(`Open “${meant}”`, pathOf(meant), 'primary'), link('Start a new document', pathOf(randomDocumentName()))]
  })
}

async function start () {
  document.title = `${name} · Tutti`
  document.getElementById('title').textContent = name
  createShare(location.origin + pathOf(name))
  showStatus('connecting')
  showSaved('saved')
  showLoading()
  const guest = await enterPatiently()

  let open = null
  const rest = restOf(() => guest.token)
  const panels = createPanels({ onOpen: () => past.refreshSoon() })
  const people = createPeople({
    onReveal: (cursor) => {
      panels.close()
      revealCursor(open.editor.view, open.text, cursor)
    },
    onRename: async (newName) => {
      await guest.rename(newName)
      open = reopen(open)
    }
  })
  const past = createHistory({
    name,
    rest,
    colourOfPresent: people.colourOfPresent,
    isInSight: () => panels.isInSight('side-panel')
  })
  const documents = createDocuments({ current: name, rest })
  open = openText({ guest, people, past, documents })
  window.addEventListener('beforeunload', (event) => { if (open.connection.isDirty) event.preventDefault() })
}

/** A server that does not answer is asked again until it does. */
async function enterPatiently () {
  for (let delayMs = 500; ; delayMs = Math.min(delayMs * 2, ENTER_RETRY_MS_MAX)) {
    try {
      return await enter()
    } catch (error) {
      showStatus('offline')
      showNotice(`${error.message} Trying again…`)
      await new Promise((resolve) => setTimeout(resolve, delayMs))
    }
  }
}

/**
 * Opens the text for the guest as they are now. What came `before` (a guest with another name) hands over its content, so that nothing flickers
 * and nothing unsaved is lost, but not its Yjs client: the server knows each client as one user's.
 */
function openText ({ guest, people, past, documents, before = null }) {
  const doc = new Y.Doc()
  if (before) Y.applyUpdate(doc, before.content)
  const text = doc.getText(TEXT)
  const connection = new Connection({ document: name, doc, guest, isDirty: before?.isDirty ?? false })
  const { awareness } = connection
  const wear = (color) => {
    awareness.setLocalStateField('user', { name: guest.name, color, colorLight: lightOf(color), user: guest.user })
    document.documentElement.style.setProperty('--own', color)
  }
  wear(before?.colour ?? colourOf(guest.user))
  const editor = createEditor({ parent: byTestId('editor'), text, awareness, label: `Text of ${name}`, selection: before?.selection })
  editor.setWritable(before !== null)
  if (before?.scrollTop) editor.view.scrollDOM.scrollTop = before.scrollTop
  const opened = { guest, people, past, documents, doc, text, connection, editor }

  doc.on('update', past.refreshSoon)
  doc.on('update', documents.noticeEdit)
  connection.addEventListener('saved', () => {
    showSaved(connection.saved)
    if (connection.saved === 'saved') past.refreshSoon()
  })
  connection.addEventListener('status', () => follow(opened, wear))
  connection.addEventListener('refused', () => {
    editor.setWritable(false)
    showNotice('You may read this document, not change it.')
  })
  showStatus(connection.state)
  showSaved(connection.saved)
  people.follow(awareness, guest.user)
  return opened
}

function follow ({ connection, editor, text, doc, guest }, wear) {
  showStatus(connection.state)
  if (connection.state === 'live') {
    const isFirst = !isTextShown()
    showText()
    editor.setWritable(true)
    if (isFirst && document.activeElement === document.body && HAS_KEYBOARD.matches) editor.view.focus()
    const { awareness } = connection
    // Of two who wear one colour the later client changes, so that never both do.
    const others = [...awareness.getStates()].filter(([client]) => client < awareness.clientID).map(([, { user }]) => user?.color)
    if (others.includes(awareness.getLocalState().user.color)) wear(freeColour(guest.user, new Set(others)))
  }
  if (connection.state === 'offline') {
    setTimeout(() => { if (connection.state === 'offline') showNotice(isTextShown() ? OFFLINE_NOTICE.text : OFFLINE_NOTICE.none) }, NOTICE_DELAY_MS)
  }
  if (connection.state === 'denied') {
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
}

/** The same text for a guest who has become another user. */
function reopen (open) {
  const { doc, connection, editor } = open
  const { anchor, head } = editor.view.state.selection.main
  const before = {
    content: Y.encodeStateAsUpdate(doc),
    isDirty: connection.isDirty,
    colour: connection.awareness.getLocalState().user.color,
    selection: { anchor, head },
    scrollTop: editor.view.scrollDOM.scrollTop
  }
  editor.destroy()
  connection.close()
  doc.destroy()
  return openText({ ...open, before })
}
