// A recorded session of 137,154 edits as a room's timeline, for what is measured in it.

import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { recording, Typist } from '../tests/clients/support/recordings.mjs'

const clients = createRequire(fileURLToPath(new URL('../tests/clients/package.json', import.meta.url)))
const Database = clients('better-sqlite3')
const Y = await import(new URL('../tests/clients/node_modules/yjs/dist/yjs.mjs', import.meta.url))

/** Two people, who take turns. */
export const people = ['Ada~1', 'Bob~2']

/** Types the session into the SQLite file of a server that does not run; how many edits these are. */
export function fill(file, name) {
  const database = new Database(file)
  const { lastInsertRowid: room } = database.prepare('insert into room (name, head, last_at, created_at) values (?, 0, 0, 0)').run(name)
  const insert = database.prepare('insert into entry (room_id, seq, kind, author, at, body) values (?, ?, 1, ?, ?, ?)')
  const doc = new Y.Doc()
  const typist = new Typist(doc.getText('content'))
  let [seq, ms] = [0, Date.UTC(2026, 10, 21)]
  doc.on('update', (update) => insert.run(room, (seq += 1), people[seq % 3_000 < 2_000 ? 0 : 1], (ms += 150 + (seq % 7) * 40), Buffer.from(update)))
  database.exec('begin')
  for (const { patches } of recording('seph-blog1').txns) typist.type(patches)
  database.prepare('update room set head = ?, last_at = ? where id = ?').run(seq, ms, room)
  database.exec('commit')
  database.close()
  return seq
}

/** Prints the shortest, median and longest of several runs. */
export const shown = (what, times) => {
  const sorted = times.toSorted((a, b) => a - b)
  console.log(`${what.padEnd(56)} ${[sorted[0], sorted[sorted.length >> 1], sorted.at(-1)].map((time) => time.toFixed(1).padStart(8)).join(' ')} ms`)
}
