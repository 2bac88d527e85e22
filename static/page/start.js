// The page's beginning: which document, who we are, and the parts put together. Each part knows only itself; what one must know of
// another passes through here. Both pages begin so; they differ in their editor.

import { restOf, ROOM_PREFIX } from './api.js'
import { createConversation } from './conversation.js'
import { createDocuments, createNewDocumentButton, pathOf } from './documents.js'
import { enter } from './guest.js'
import { createHistory } from './history.js'
import { isDocumentName, randomDocumentName, slugify } from './names.js'
import { Outbox } from './outbox.js'
import { createPanels } from './panels.js'
import { createPeople } from './people.js'
import { createShare } from './share.js'
import { link, showCard, showLoading } from './stage.js'
import { addFacts, showNotice, showStanding } from './standing.js'
import { openTalk } from './talk.js'
import { openText } from './text.js'
import { createThemeToggle } from './theme.js'
import { Timeline } from './timeline.js'
import { createWorks } from './works.js'

const FIRST_DOCUMENT = 'hello'
const ENTER_RETRY_MS_MAX = 10_000
/** In the address of a page that may only view. */
const VIEW = 'view'

/**
 * @param {object} options
 * @param {string} options.prefix of the documents of this page, such as `tiptap/`
 * @param {string} options.path under which they are, such as `/tiptap/`
 * @param {string} options.root the root type of the document
 * @param {string} options.protocol by which the text travels, for the details
 * @param {(given: object) => import('./text.js').Editor} options.openEditor
 * @param {string} options.code the lines that make such a page
 */
export function startPage ({ prefix, path, root, protocol, openEditor, code }) {
  createThemeToggle()
  if (location.pathname === '/' || location.pathname === path) history.replaceState(null, '', pathOf(prefix + FIRST_DOCUMENT) + location.search)
  createNewDocumentButton(prefix)
  const written = prefix + writtenName(path)
  if (isDocumentName(written)) start({ name: written, prefix, root, protocol, openEditor, code })
  else showUnknownName(written, prefix)
}

/** What the address names, whether or not a document can have that name. */
function writtenName (path) {
  const escaped = location.pathname.slice(path.length)
  try {
    return decodeURIComponent(escaped)
  } catch {
    return escaped
  }
}

function showUnknownName (written, prefix) {
  const meant = prefix + slugify(written.slice(prefix.length))
  document.body.classList.add('is-nowhere')
  showCard({
    title: 'That name can’t be used',
    reason: 'A name can have letters and digits of any script, emoji, spaces and . _ ~ : @ / -, up to 150 bytes.',
    actions: [meant !== prefix && link(`Open “${meant}”`, pathOf(meant), 'primary'), link('Start a new document', pathOf(prefix + randomDocumentName()))]
  })
}

async function start ({ name, prefix, root, protocol, openEditor, code }) {
  const mayEdit = !new URLSearchParams(location.search).has(VIEW)
  const heading = document.getElementById('title')
  const ownName = name.slice(prefix.length)
  heading.textContent = ownName
  document.title = `${ownName} · Tutti`
  document.body.classList.toggle('is-view-only', !mayEdit)
  showLoading()
  const guest = await enterPatiently(mayEdit ? 'write' : 'read')
  const room = ROOM_PREFIX + name
  const works = createWorks({ code })
  addFacts({ Protocol: protocol, Room: room })

  let open = null
  let talk = null
  let panels = null
  const timeline = new Timeline()
  const people = createPeople({
    onChange: () => {
      conversation.redraw()
      share.redraw()
    },
    onReveal: (person) => {
      panels.close()
      open.reveal(person)
    },
    onRename: async (newName) => {
      try {
        await outbox.pause()
        await guest.rename(newName)
      } catch (error) {
        outbox.follow(talk.room)
        throw error
      }
      const before = open.close()
      talk.close()
      startTalk()
      await startText(before)
    }
  })
  const outbox = new Outbox(name, guest)
  const conversation = createConversation({
    timeline,
    outbox,
    guest,
    colourOfPresent: people.colourOfPresent,
    isInSight: () => panels?.isInSight('side-panel') ?? false
  })
  const lookBack = createHistory({ root, colourOfPresent: people.colourOfPresent })
  const page = location.origin + pathOf(name)
  const share = createShare({ editLink: page, viewLink: `${page}?${VIEW}`, mayEdit, people: people.everybody })
  panels = createPanels({ onChange: conversation.noticeSight })
  const documents = createDocuments({ current: name, prefix, mayCreate: mayEdit, rest: restOf(() => guest.token) })
  startTalk()
  await startText()

  function startTalk () {
    talk = openTalk({ document: name, guest, since: timeline.seq })
    people.followTalk(talk)
    conversation.follow(talk)
    works.follow(talk)
    lookBack.follow(talk)
  }

  async function startText (before = null) {
    open = await openText({ name: ownName, room, guest, mayEdit, people, documents, talk, openEditor, onTitle: showTitle, onFrame: works.add, before })
  }

  function showTitle (title) {
    const shown = title || ownName
    heading.textContent = shown
    heading.title = title ? ownName : ''
    conversation.setTitle(title ? `${title} · ${ownName} · Tutti` : `${ownName} · Tutti`)
  }

  window.addEventListener('beforeunload', (event) => { if (open.isDirty()) event.preventDefault() })
}

/** A server that does not answer is asked again until it does. */
async function enterPatiently (access) {
  for (let delayMs = 500; ; delayMs = Math.min(delayMs * 2, ENTER_RETRY_MS_MAX)) {
    try {
      return await enter(access)
    } catch (error) {
      showStanding({ connection: 'offline', isSaved: true, unsavedSinceMs: null, access: null, reason: '' })
      showNotice(`${error.message} Trying again…`)
      await new Promise((resolve) => setTimeout(resolve, delayMs))
    }
  }
}
