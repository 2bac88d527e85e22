// How the document stands, in one place: the indicator in the bar (connection, saved, role), its details, and the notice above the text.

import { describeSync } from '/tutti.js'
import { byTestId, h } from './element.js'

/** The page's words for the connection, on which styles and tests depend. */
const STATES = { connecting: 'connecting', online: 'live', offline: 'offline', closed: 'denied' }
const CONNECTIONS = { connecting: 'Connecting', online: 'Connected', offline: 'Disconnected; trying again', closed: 'Closed' }
const ACCESS = { read: 'View only', write: 'Can edit', admin: 'Can edit and manage' }
/** A loss shorter than this is not worth a sentence; the indicator shows it anyway. */
const NOTICE_DELAY_MS = 1_500
const SLOW_MS = 3_000

const status = byTestId('status')
const saved = byTestId('saved')
const details = byTestId('standing-details')
const popover = document.getElementById('standing-details')
const notice = document.getElementById('notice')
let state = { connection: 'connecting', isSaved: true, unsavedSinceMs: null, access: null, reason: '' }
let facts = {}
let isKept = false
let timer = 0
let offlineTimer = 0

function draw () {
  const text = describeSync(state)
  const isLate = !state.isSaved && Date.now() - state.unsavedSinceMs >= SLOW_MS
  status.dataset.state = STATES[state.connection]
  status.classList.toggle('is-late', isLate)
  status.setAttribute('aria-label', `${text}. Details`)
  saved.dataset.state = state.isSaved ? 'saved' : state.connection === 'online' ? 'saving' : 'unsaved'
  if (saved.textContent !== text) saved.textContent = text
  if (popover.matches(':popover-open')) drawDetails()
}

function drawDetails () {
  const work = state.isSaved
    ? 'Everything you typed is committed on the server'
    : `Some of what you typed is not on the server yet. ${isKept ? 'It is kept in this browser' : 'Keep this window open'}`
  const rows = [['Connection', CONNECTIONS[state.connection]], ['Your work', work], ['Your role', ACCESS[state.access] ?? 'Not known yet'], ...Object.entries(facts)]
  if (state.reason) rows.push(['The server says', state.reason])
  details.replaceChildren(...rows.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]))
}

/** @param {import('/tutti.js').SyncState} next */
export function showStanding (next) {
  const before = state.connection
  state = next
  clearInterval(timer)
  if (!state.isSaved) timer = setInterval(draw, 1_000)
  draw()
  if (state.connection === before) return
  clearTimeout(offlineTimer)
  if (state.connection === 'offline') offlineTimer = setTimeout(() => showNotice(OFFLINE()), NOTICE_DELAY_MS)
  else if (state.connection !== 'connecting') showNotice(null)
}

const OFFLINE = () => isKept
  ? 'You are offline. Keep typing: your text is kept in this browser and sent when you are back.'
  : 'You are offline. Keep typing: your text stays in this window and is sent when you are back.'

/** More about the document for the details. @param {Record<string, string>} more */
export function addFacts (more) { facts = { ...facts, ...more } }

/** What is typed outlives this window. */
export function noteKept () { isKept = true }

/** A line above the text; null takes it away. */
export function showNotice (text) {
  notice.textContent = text ?? ''
  notice.hidden = !text
}

popover.addEventListener('toggle', ({ newState }) => { if (newState === 'open') drawDetails() })
popover.addEventListener('beforetoggle', () => {
  const { left, bottom } = status.getBoundingClientRect()
  popover.style.setProperty('--x', `${Math.max(8, Math.min(left, innerWidth - 340))}px`)
  popover.style.setProperty('--y', `${bottom + 6}px`)
})
draw()
