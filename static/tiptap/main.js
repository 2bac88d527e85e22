// A Tiptap editor over /hocuspocus, with npm's provider as it is: which document, who we are, and the parts put together.

import * as Y from 'yjs'
import { ROOM_PREFIX } from '../demo/api.js'
import { freeColour, lightOf } from '../demo/colours.js'
import { pathOf } from '../demo/documents.js'
import { byTestId, h } from '../demo/element.js'
import { showNotice, showSaved, showStatus } from '../demo/facts.js'
import { enter } from '../demo/guest.js'
import { isDocumentName } from '../demo/names.js'
import { avatar } from '../demo/people.js'
import { personOf } from '../demo/person.js'
import { createShare } from '../demo/share.js'
import { link, showCard, showLoading, showText } from '../demo/stage.js'
import { createThemeToggle } from '../demo/theme.js'
import { connect } from './connection.js'
import { createEditor } from './editor.js'
import { createTools } from './tools.js'

const FIRST_DOCUMENT = 'hello'
const STACK_MAX = 5

createThemeToggle()
const name = writtenName() || FIRST_DOCUMENT
/** The document among those of the demo, which opens it here again. */
const documentName = `tiptap/${name}`
if (isDocumentName(documentName)) start()
else showUnknownName()

function writtenName () {
  const escaped = location.pathname.replace(/^\/tiptap\/?/, '')
  try {
    return decodeURIComponent(escaped)
  } catch {
    return escaped
  }
}

function showUnknownName () {
  showStatus('denied')
  showCard({
    title: 'No document can have this name',
    reason: 'Names are made of letters, digits, spaces and . _ ~ : @ / -',
    actions: [link('Open the first one', pathOf(`tiptap/${FIRST_DOCUMENT}`), 'primary')]
  })
}

async function start () {
  document.title = `${name} · Tiptap · Tutti`
  document.getElementById('title').textContent = name
  createShare(location.origin + pathOf(documentName))
  showStatus('connecting')
  showSaved('saved')
  showLoading()
  let guest
  try {
    guest = await enter()
  } catch (error) {
    showStatus('offline')
    return showNotice(`${error.message} Reload the page to try again.`)
  }

  const doc = new Y.Doc()
  const provider = connect({ room: ROOM_PREFIX + documentName, doc, guest, changed: (state) => {
    showStatus(state.status)
    showSaved(state.saved)
    if (state.status === 'live') showText()
    editor.setEditable(state.mayWrite)
    if (state.status === 'live' && !state.mayWrite) showNotice('You may read this document, not change it.')
    if (state.status === 'denied') showCard({ title: 'This document is not open to you', reason: state.reason, actions: [link('To the first document', '/', 'primary')] })
  } })
  const { awareness } = provider
  const colour = freeColour(guest.user, new Set())
  document.documentElement.style.setProperty('--own', colour)
  const user = { name: guest.name, user: guest.user, color: colour, colorLight: lightOf(colour) }
  const editor = createEditor({ parent: byTestId('editor'), doc, provider, user, label: `Text of ${name}` })
  createTools(byTestId('tools'), editor)
  awareness.on('change', () => showPeople(awareness))
  window.addEventListener('beforeunload', (event) => { if (provider.hasUnsyncedChanges) event.preventDefault() })
}

function showPeople (awareness) {
  const people = new Map([...awareness.getStates()].filter(([, state]) => state.user).map(([client, state]) => {
    const person = personOf(client, state)
    return [person.user, person]
  }))
  byTestId('people').replaceChildren(...[...people.values()].slice(0, STACK_MAX).map(({ name, colour }) =>
    h('span', { title: name, 'data-name': name }, avatar(name, colour))))
}
