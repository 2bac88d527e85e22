// How rows of the timeline look: messages as bubbles, edits as one quiet line. Makes elements; knows no network and keeps nothing.

import { colourOf } from './colours.js'
import { h, icon } from './element.js'
import { shownName } from './names.js'
import { linked } from './links.js'
import { avatar } from './people.js'
import { fullTime, timeSpan } from './time.js'
import { namesOf } from './timeline-rows.js'

const FACES_MAX = 3
/** What the page's own events say; others are shown by their names. */
const KNOWN = new Map([
  ['comment.created', 'commented on the text'], ['comment.replied', 'replied to a comment'], ['comment.resolved', 'resolved or reopened a comment'],
  ['room.restored', 'restored an earlier version'], ['room.erased', 'erased something for good']
])

/**
 * @typedef {object} Look
 * @property {string} own the window's user
 * @property {(user: string) => string | null} colourOfPresent
 */

const colour = (user, { colourOfPresent }) => colourOfPresent(user) ?? colourOf(user)
const when = (ms) => h('time', { class: 'when', datetime: new Date(ms).toISOString(), title: fullTime(ms) }, timeSpan(ms, ms))

/** Whatever a row's element depends on; the same key, the same element. */
export const keyOf = (row, look, isContinued) =>
  [row.fromSeq, row.toSeq, look.own, isContinued, ...row.users.map((user) => colour(user, look))].join(' ')

export const dayElement = (name) => h('li', { class: 'timeline-day' }, h('span', {}, name))

export function rowElement (row, look, isContinued) {
  if (row.kind !== 'message') return quietLine(row, look)
  const [user] = row.users
  const message = { text: row.text, ms: row.fromMs, state: 'saved', isContinued }
  return user === look.own ? ownMessage(message) : othersMessage(message, user, look)
}

function quietLine (row, look) {
  const who = namesOf(row.users, look.own)
  const what = row.kind === 'edits' ? 'edited the document' : KNOWN.get(row.type) ?? `sent ${row.type}`
  const edits = row.kind === 'edits' ? `, ${row.edits === 1 ? '1 edit' : `${row.edits} edits`}` : ''
  return h('li', { class: 'quiet-line', 'data-testid': 'history-row', 'data-kind': row.kind },
    h('span', { class: 'faces' }, ...row.users.slice(0, FACES_MAX).map((user) => avatar(shownName(user), colour(user, look)))),
    h('span', { class: 'quiet-text' }, h('b', {}, who), ` ${what}`),
    h('time', { class: 'when', datetime: new Date(row.toMs).toISOString(), title: `${fullTime(row.fromMs)} – ${fullTime(row.toMs)}${edits}` },
      timeSpan(row.toMs, row.toMs)))
}

function othersMessage ({ text, ms, isContinued }, user, look) {
  const name = shownName(user)
  return h('li', { class: `message${isContinued ? ' is-continued' : ''}`, 'data-testid': 'message', 'data-author': user, '--who': colour(user, look) },
    isContinued ? null : avatar(name, colour(user, look)),
    h('p', { class: isContinued ? 'visually-hidden' : 'message-head' }, h('span', { class: 'message-name' }, name), when(ms)),
    h('p', { class: 'bubble', dir: 'auto', 'data-testid': 'message-text' }, ...linked(text)))
}

/**
 * A message of this window, also one that the timeline does not hold yet.
 * @param {{ text: string, ms: number, state: 'sending' | 'saved' | 'failed', reason?: string, isContinued: boolean }} message
 * @param {{ onRetry: () => void, onDrop: () => void }} [actions] of one that failed
 */
export function ownMessage ({ text, ms, state, reason, isContinued }, { onRetry, onDrop } = {}) {
  return h('li', { class: `message is-own${isContinued ? ' is-continued' : ''}`, 'data-testid': 'message', 'data-state': state },
    h('p', { class: isContinued ? 'visually-hidden' : 'message-head' }, h('span', { class: 'message-name' }, 'You'), when(ms)),
    h('p', { class: 'bubble', dir: 'auto', 'data-testid': 'message-text' }, ...linked(text)),
    state === 'failed'
      ? h('p', { class: 'message-failure', role: 'alert' }, `Not sent: ${reason}. `,
        h('button', { type: 'button', class: 'link-button', onclick: onRetry }, 'Try again'), ' ',
        h('button', { type: 'button', class: 'link-button', onclick: onDrop }, 'Delete'))
      : h('span', { class: 'message-state', title: state === 'saved' ? 'Saved' : 'Sending' },
        state === 'saved' ? icon('check') : h('i', { class: 'sending-dot', 'aria-hidden': 'true' }),
        h('span', { class: 'visually-hidden' }, state === 'saved' ? 'Saved' : 'Sending')))
}
