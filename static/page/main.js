// The page's beginning: which document, who we are, and the parts put together. Each part knows only itself; what one must know of
// another passes through here.

import { restOf } from './api.js'
import { createConversation } from './conversation.js'
import { createDocuments, createNewDocumentButton, pathOf } from './documents.js'
import { showNotice, showSaved, showStatus } from './facts.js'
import { enter } from './guest.js'
import { isDocumentName, randomDocumentName, slugify } from './names.js'
import { Outbox } from './outbox.js'
import { createPanels } from './panels.js'
import { createPeople } from './people.js'
import { createShare } from './share.js'
import { link, showCard, showLoading } from './stage.js'
import { openTalk } from './talk.js'
import { openText } from './text.js'
import { createThemeToggle } from './theme.js'
import { Timeline } from './timeline.js'

const FIRST_DOCUMENT = 'hello'
const ENTER_RETRY_MS_MAX = 10_000

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
  let talk = null
  let panels = null
  const timeline = new Timeline()
  const people = createPeople({
    onChange: () => conversation.redraw(),
    onReveal: (cursor) => {
      panels.close()
      open.reveal(cursor)
    },
    onRename: async (newName) => {
      await guest.rename(newName)
      open = open.reopen()
      talk.close()
      startTalk()
    }
  })
  const conversation = createConversation({
    title: document.title,
    timeline,
    outbox: new Outbox(name),
    guest,
    colourOfPresent: people.colourOfPresent,
    isInSight: () => panels?.isInSight('side-panel') ?? false
  })
  panels = createPanels({ onChange: conversation.noticeSight })
  const documents = createDocuments({ current: name, rest: restOf(() => guest.token) })
  open = openText({ name, guest, people, documents })
  startTalk()

  function startTalk () {
    talk = openTalk({ document: name, guest, since: timeline.seq })
    people.followTalk(talk)
    conversation.follow(talk)
  }

  window.addEventListener('beforeunload', (event) => { if (open.isDirty()) event.preventDefault() })
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
