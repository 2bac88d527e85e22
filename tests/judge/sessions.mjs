// Recorded sessions, and one of 260,000 random keystrokes, typed into Yjs 13: edit by edit the server comes to what Yjs has, as small
// as that is there, and a view shows the text that they end with.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { gunzipSync } from 'node:zlib'
import { ask, decode, encode, say } from './pipe.mjs'

const require = createRequire(new URL('../clients/package.json', import.meta.url))
const Y = require('yjs')
const recording = (name) => JSON.parse(gunzipSync(readFileSync(new URL(`../data/${name}.json.gz`, import.meta.url))))

/** A document of a client, whose edits are noted. */
function document (client, edits) {
  const doc = new Y.Doc()
  doc.clientID = client
  doc.on('update', (update, origin) => { if (origin !== 'other') edits.push(update) })
  return doc
}

/** Positions of the recordings are code points; that of a text in code units. */
function patch (text, [position, deleted, inserted]) {
  if (deleted > 0) text.delete(position, deleted)
  if (inserted) text.insert(position, inserted)
}

function alone (name) {
  const { txns, endContent } = recording(name)
  const edits = []
  const doc = document(1, edits)
  for (const { patches } of txns) for (const one of patches) patch(doc.getText('t'), one)
  return { name, edits, doc, endContent }
}

function together (name) {
  const { txns, numAgents, endContent } = recording(name)
  const edits = []
  const docs = Array.from({ length: numAgents }, (_, agent) => document(agent + 1, edits))
  // Those that somebody else goes on from.
  const shared = new Set(txns.flatMap(({ parents, agent }) => parents.filter((parent) => txns[parent].agent !== agent)))
  const states = new Map()
  for (const [i, { parents, agent, patches }] of txns.entries()) {
    const doc = docs[agent]
    for (const parent of parents) if (txns[parent].agent !== agent) Y.applyUpdate(doc, states.get(parent), 'other')
    doc.transact(() => { for (const one of patches) patch(doc.getText('t'), one) })
    if (shared.has(i)) states.set(i, Y.encodeStateAsUpdate(doc))
  }
  for (const doc of docs) Y.applyUpdate(docs[0], Y.encodeStateAsUpdate(doc), 'other')
  return { name, edits, doc: docs[0], endContent }
}

function typed (keystrokes) {
  let state = 7
  const below = (n) => Math.floor(((state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) / 0x80000000) * n)
  const edits = []
  const doc = document(1, edits)
  const text = doc.getText('t')
  for (let left = keystrokes; left > 0;) {
    let at = below(text.length + 1)
    doc.transact(() => {
      for (let run = Math.min(left, 1 + below(40)); run > 0; run--, left--) {
        if (at > 0 && below(10) === 0) text.delete(--at, 1); else text.insert(at++, 'typing '[left % 7])
      }
    })
  }
  return { name: `${keystrokes} keystrokes`, edits, doc, endContent: text.toString() }
}

function wrong (what, details) {
  say({ end: 'wrong', what, ...details })
  process.exit(1)
}

const sameVector = (one, other) => JSON.stringify([...Y.decodeStateVector(one)].sort()) === JSON.stringify([...Y.decodeStateVector(other)].sort())

const seen = { sessions: 0, edits: 0, bytes: 0 }
for (const { name, edits, doc, endContent } of [alone('seph-blog1'), together('friendsforever'), typed(260_000)]) {
  ask({ op: 'new', gc: true })
  for (let at = 0; at < edits.length; at += 512) {
    const { odd } = ask({ op: 'edits', updates: edits.slice(at, at + 512).map(encode) })
    if (odd) wrong('an edit is not taken as it is', { name, odd })
  }
  seen.edits += edits.length
  const own = Y.encodeStateAsUpdate(doc)
  for (const again of [false, true]) {
    if (again) ask({ op: 'reload' })
    const kept = decode(ask({ op: 'state' }).state)
    if (kept.length > own.length * 1.05) wrong('a state is larger than that of Yjs', { name, bytes: [kept.length, own.length] })
    if (!sameVector(decode(ask({ op: 'vector' }).vector), Y.encodeStateVector(doc))) wrong('state vectors differ', { name })
    const fresh = new Y.Doc()
    Y.applyUpdate(fresh, kept)
    if (fresh.getText('t').toString() !== endContent) wrong('a fresh document differs', { name, again })
    for (const update of [kept, own]) {
      const { text, left_out: leftOut } = ask({ op: 'text', update: encode(update) })
      if (text !== endContent || leftOut > 0) wrong('a view differs', { name, leftOut, length: [text.length, endContent.length] })
    }
    seen.bytes += kept.length
  }
  seen.sessions++
}
say({ end: 'right', seen })
