// What the bar and the notice say about the connection, and whether the text is saved.

import { byTestId } from './element.js'

const STATUS = { connecting: 'Connecting', live: 'Live', offline: 'Offline – reconnecting', denied: 'Closed' }
const SAVED = { saved: 'Saved', saving: 'Saving…', unsaved: 'Not saved – offline' }

const status = byTestId('status')
const saved = byTestId('saved')
const notice = document.getElementById('notice')

function put (element, state, texts) {
  if (element.dataset.state === state) return
  element.dataset.state = state
  element.querySelector('.fact-text').textContent = texts[state]
}

export function showStatus (state) {
  put(status, state, STATUS)
  if (state === 'live' || state === 'denied') showNotice(null)
  // Closed for good is not offline, which would promise to come back.
  if (state === 'denied' && saved.dataset.state === 'unsaved') saved.querySelector('.fact-text').textContent = 'Not saved'
}

export const showSaved = (state) => put(saved, state, SAVED)

/** A line above the text; null takes it away. */
export function showNotice (text) {
  notice.textContent = text ?? ''
  notice.hidden = !text
}
