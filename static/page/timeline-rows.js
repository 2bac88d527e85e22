// Turns entries of the timeline into rows that a person can read: each message is a row, and edits without a message between them, none
// more than a minute after the one before, are one row with all their authors. Pure.

import { shownName } from './names.js'

const PAUSE_MS_MAX = 60_000
/** Longer ago than this, a message of the same author begins anew, with name and time. */
const BREATH_MS_MAX = 3 * 60_000

/**
 * @typedef {{ seq: number, kind: 'edit' | 'message' | 'event', user: string, ms: number, text?: string, id?: string, type?: string }} Item
 *   `id`: by which the author's window knows its own message again.
 * @typedef {{ kind: 'edits', users: string[], fromSeq: number, toSeq: number, fromMs: number, toMs: number, edits: number }} EditsRow
 * @typedef {{ kind: 'message' | 'event', users: [string], fromSeq: number, toSeq: number, fromMs: number, toMs: number, text?: string, id?: string, type?: string }} SaidRow
 * @typedef {EditsRow | SaidRow} Row
 */

/** What the REST API tells of an entry. @returns {Item} */
export const itemOfEntry = ({ seq, kind, author, at, body }) => item(kind, { ...body, seq, user: author, timestamp: at })

/** What the socket tells: `kind` is the name of the client's event. @returns {Item} */
export const itemOfEvent = (kind, event) => item(kind, event)

/** Steps are edits, too. Payloads come from other clients, and may be anything. */
const item = (kind, { seq, user, timestamp, text, payload, type, erased }) => ({
  seq,
  kind: kind === 'message' || kind === 'event' ? kind : 'edit',
  user,
  ms: Date.parse(timestamp),
  text: erased && kind === 'message' ? 'This message was erased.' : text,
  id: typeof payload?.id === 'string' ? payload.id : undefined,
  type
})

/** @param {Item[]} items ascending  @returns {Row[]} ascending */
export const rowsOf = (items) => items.reduce((rows, item) => {
  add(rows, rowOf(item))
  return rows
}, [])

/** One list of two that follow each other; edits that meet at the seam become one row. @param {Row[]} older  @param {Row[]} newer */
export function joinRows (older, newer) {
  const rows = [...older]
  for (const row of newer) add(rows, row)
  return rows
}

function rowOf ({ seq, kind, user, ms, text, id, type }) {
  const common = { users: [user], fromSeq: seq, toSeq: seq, fromMs: ms, toMs: ms }
  return kind === 'edit' ? { kind: 'edits', ...common, edits: 1 } : { kind, ...common, text, id, type }
}

function add (rows, row) {
  const last = rows.at(-1)
  if (last?.kind === 'edits' && row.kind === 'edits' && row.fromMs - last.toMs <= PAUSE_MS_MAX) {
    const users = [...new Set([...last.users, ...row.users])]
    rows[rows.length - 1] = { ...last, users, toSeq: row.toSeq, toMs: row.toMs, edits: last.edits + row.edits }
  } else {
    rows.push(row)
  }
}

/** Whether a message goes on from the row before it, in one breath. */
export const isContinued = (row, before) => row.kind === 'message' && before?.kind === 'message' &&
  before.users[0] === row.users[0] && row.fromMs - before.toMs <= BREATH_MS_MAX

/** Who, as a sentence begins: "Ada", "Ada and Bob", "Ada, Bob and 3 others". `own` is "You". */
export function namesOf (users, own) {
  const names = users.map((user) => user === own ? 'You' : shownName(user))
  if (names.length <= 1) return names.join()
  if (names.length <= 3) return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
  return `${names.slice(0, 2).join(', ')} and ${names.length - 2} others`
}
