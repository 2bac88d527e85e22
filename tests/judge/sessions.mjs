// Recorded sessions, and one of 260,000 random keystrokes, typed into Yjs 13: a view shows the text that they end with.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { gunzipSync } from 'node:zlib'
import { ask, encode, say } from './pipe.mjs'

const require = createRequire(new URL('../clients/package.json', import.meta.url))
const Y = require('yjs')
const recording = (name) => JSON.parse(gunzipSync(readFileSync(new URL(`../data/${name}.json.gz`, import.meta.url))))

function document (client) {
  const doc = new Y.Doc()
  doc.clientID = client
  return doc
}

/** Positions of the recordings are code points; that of a text in code units. */
function patch (text, [position, deleted, inserted]) {
  if (deleted > 0) text.delete(position, deleted)
  if (inserted) text.insert(position, inserted)
}

function alone (name) {
  const { txns, endContent } = recording(name)
  const doc = document(1)
  for (const { patches } of txns) for (const one of patches) patch(doc.getText('t'), one)
  return { name, update: Y.encodeStateAsUpdate(doc), endContent }
}

function together (name) {
  const { txns, numAgents, endContent } = recording(name)
  const docs = Array.from({ length: numAgents }, (_, agent) => document(agent + 1))
  // Those that somebody else goes on from.
  const shared = new Set(txns.flatMap(({ parents, agent }) => parents.filter((parent) => txns[parent].agent !== agent)))
  const states = new Map()
  for (const [i, { parents, agent, patches }] of txns.entries()) {
    const doc = docs[agent]
    for (const parent of parents) if (txns[parent].agent !== agent) Y.applyUpdate(doc, states.get(parent))
    doc.transact(() => { for (const one of patches) patch(doc.getText('t'), one) })
    if (shared.has(i)) states.set(i, Y.encodeStateAsUpdate(doc))
  }
  for (const doc of docs) Y.applyUpdate(docs[0], Y.encodeStateAsUpdate(doc))
  return { name, update: Y.encodeStateAsUpdate(docs[0]), endContent }
}

function typed (keystrokes) {
  let state = 7
  const below = (n) => Math.floor(((state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) / 0x80000000) * n)
  const doc = document(1)
  const text = doc.getText('t')
  for (let left = keystrokes; left > 0;) {
    let at = below(text.length + 1)
    for (let run = Math.min(left, 1 + below(40)); run > 0; run--, left--) {
      if (at > 0 && below(10) === 0) text.delete(--at, 1); else text.insert(at++, 'typing '[left % 7])
    }
  }
  return { name: `${keystrokes} keystrokes`, update: Y.encodeStateAsUpdate(doc), endContent: text.toString() }
}

const seen = []
for (const { name, update, endContent } of [alone('seph-blog1'), together('friendsforever'), typed(260_000)]) {
  const { text, left_out: leftOut, micros } = ask({ op: 'text', update: encode(update) })
  if (text !== endContent || leftOut > 0) {
    say({ end: 'wrong', name, leftOut, same: text === endContent, length: [text.length, endContent.length] })
    process.exit(1)
  }
  seen.push({ name, bytes: update.length, micros })
}
say({ end: 'right', seen })
