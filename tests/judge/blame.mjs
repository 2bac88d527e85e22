// Who wrote what, as people see it: y-prosemirror writes text anew where somebody only presses Enter, and its author stays. Recorded
// sessions tell who typed what.
//
//   node blame.mjs

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { gunzipSync } from 'node:zlib'
import { ask, encode, say } from './pipe.mjs'

const require = createRequire(new URL('../clients/package.json', import.meta.url))
const Y = require('yjs')
const { initProseMirrorDoc, updateYFragment } = require('y-prosemirror')
const { Schema } = require('prosemirror-model')
const { schema: basic } = require('prosemirror-schema-basic')
const { Transform } = require('prosemirror-transform')

const seen = { editors: 0, restored: 0, recordings: 0 }

function wrong (what, details) {
  say({ end: 'wrong', what, ...details })
  process.exit(1)
}

/** A timeline, and people who edit: what one sends, all get. */
function room (names) {
  ask({ op: 'new' })
  ask({ op: 'timeline', segment: 7 })
  const people = names.map((name, i) => {
    const doc = new Y.Doc()
    doc.clientID = 11 + i
    return { name, doc }
  })
  const clients = Object.fromEntries(people.map(({ name, doc }) => [doc.clientID, name]))
  let seq = 0
  let at = 1e12
  const entry = (update, author, via) => {
    seq++
    at += 60 * 60 * 1000
    ask({ op: 'entry', update: encode(update), author, via, at })
  }
  for (const { name, doc } of people) {
    doc.on('update', (update, origin) => {
      if (origin === 'net') return
      entry(update, name)
      for (const other of people) if (other.doc !== doc) Y.applyUpdate(other.doc, update, 'net')
    })
  }
  const blame = (root, given = clients) => {
    const { runs, error } = ask({ op: 'blame', root, clients: given })
    if (error) wrong('no blame', { error })
    return runs
  }
  return { people, blame, entry, seq: () => seq }
}

/** Each run's text and author. */
const told = (text, runs) => runs.map(({ from, to, by, via }) => `${by}${via ? ` via ${via}` : ''}: ${text.slice(from, to)}`)
const same = (what, given, expected) => { if (JSON.stringify(given) !== JSON.stringify(expected)) wrong(what, { given, expected }) }

const schema = new Schema({ nodes: basic.spec.nodes, marks: basic.spec.marks })
const { paragraph, heading, blockquote } = schema.nodes
/** Does to somebody's document what its editor would, in one transaction. */
function edit ({ doc }, change) {
  const fragment = doc.getXmlFragment('prosemirror')
  const { doc: node, meta } = initProseMirrorDoc(fragment, schema)
  const transform = new Transform(node)
  change(transform)
  doc.transact(() => updateYFragment(doc, fragment, transform.doc, meta))
}
const letters = (type) => type.toArray().map((child) => (child instanceof Y.XmlText ? child.toDelta().map(({ insert }) => insert).join('') : letters(child))).join('')

// What a person does in an editor, and whose the text is then.
const DONE = {
  'Enter in the middle': [(tr) => tr.split(8), ['alice: written by one']],
  'Enter at the end': [(tr) => tr.split(15), ['alice: written by one']],
  'a heading': [(tr) => tr.setBlockType(1, 2, heading, { level: 1 }), ['alice: written by one']],
  'a quote': [(tr) => { const range = tr.doc.resolve(2).blockRange(); tr.wrap(range, [{ type: blockquote }]) }, ['alice: written by one']],
  'a word in bold': [(tr) => tr.addMark(1, 8, schema.marks.strong.create()), ['alice: written by one']],
  'a letter within': [(tr) => tr.insert(8, schema.text('!')), ['alice: written', 'bob: !', 'alice:  by one']],
  'a word pasted within': [(tr) => tr.insert(9, schema.text('never ')), ['alice: written ', 'bob: never ', 'alice: by one']],
  'another text in its place': [(tr) => tr.replaceWith(1, 15, schema.text('Quite new')), ['bob: Quite new']],
}
for (const [what, [change, expected]] of Object.entries(DONE)) {
  const { people: [alice, bob], blame } = room(['alice', 'bob'])
  edit(alice, (tr) => tr.insert(0, paragraph.create(null, schema.text('written by one'))))
  edit(bob, change)
  const text = letters(bob.doc.getXmlFragment('prosemirror'))
  same(what, told(text, blame('prosemirror')), expected)
  seen.editors++
}
{
  // Two paragraphs of two people become one, and two again; and the whole is indented by one more.
  const { people: [alice, bob, carol], blame } = room(['alice', 'bob', 'carol'])
  edit(alice, (tr) => tr.insert(0, paragraph.create(null, schema.text('of alice'))))
  edit(bob, (tr) => tr.insert(10, paragraph.create(null, schema.text('of bob'))))
  const both = ['alice: of alice', 'bob: of bob']
  const now = () => told(letters(carol.doc.getXmlFragment('prosemirror')), blame('prosemirror'))
  for (const change of [
    (tr) => tr.join(10),
    (tr) => tr.split(9),
    (tr) => tr.wrap(tr.doc.resolve(2).blockRange(tr.doc.resolve(12)), [{ type: blockquote }]),
    (tr) => tr.lift(tr.doc.resolve(3).blockRange(tr.doc.resolve(13)), 0),
    (tr) => tr.join(10),
    (tr) => tr.setBlockType(1, 3, heading, { level: 2 }),
  ]) {
    edit(carol, change)
    same('paragraphs of two', now(), both)
    seen.editors++
  }
}
{
  // A client that only somebody's Step2 tells of; one whose user forwards; one that is forged.
  const { people: [alice], blame, entry } = room(['alice'])
  const text = alice.doc.getText('t')
  text.insert(0, 'alice ')
  const offline = new Y.Doc()
  offline.clientID = 99
  Y.applyUpdate(offline, Y.encodeStateAsUpdate(alice.doc))
  const vector = Y.encodeStateVector(offline)
  offline.getText('t').insert(6, 'offline ')
  entry(Y.encodeStateAsUpdate(offline, vector), 'bob')
  const forged = new Y.Doc()
  Y.applyUpdate(forged, Y.encodeStateAsUpdate(offline))
  forged.clientID = 11
  forged.getText('t').insert(14, 'forged')
  entry(Y.encodeStateAsUpdate(forged, Y.encodeStateVector(offline)), 'alice', 'mallory')
  const whole = forged.getText('t').toString()
  same('senders', told(whole, blame('t')), ['alice: alice ', 'bob: offline ', 'alice via mallory: forged'])
  // Once its typist has come, all of it is theirs.
  same('a late typist', told(whole, blame('t', { 11: 'alice', 99: 'carol' })), ['alice: alice ', 'carol via bob: offline ', 'alice via mallory: forged'])
  seen.restored++
}
{
  // Two people's session, as it was recorded.
  const { txns, numAgents, endContent } = JSON.parse(gunzipSync(readFileSync(new URL('../data/friendsforever.json.gz', import.meta.url))))
  ask({ op: 'new' })
  ask({ op: 'timeline', segment: 2048 })
  const docs = Array.from({ length: numAgents }, (_, agent) => { const doc = new Y.Doc(); doc.clientID = agent + 1; return doc })
  let at = 1e12
  docs.forEach((doc, agent) => doc.on('update', (update, origin) => {
    if (origin !== 'net') ask({ op: 'entry', update: encode(update), author: `agent${agent}`, at: at += 1000 })
  }))
  const states = new Map()
  const shared = new Set(txns.flatMap(({ parents, agent }) => parents.filter((parent) => txns[parent].agent !== agent)))
  txns.forEach(({ parents, agent, patches }, i) => {
    const doc = docs[agent]
    for (const parent of parents) if (txns[parent].agent !== agent) Y.applyUpdate(doc, states.get(parent), 'net')
    const text = doc.getText('t')
    for (const [position, deleted, inserted] of patches) {
      doc.transact(() => {
        if (deleted > 0) text.delete(position, deleted)
        if (inserted) text.insert(position, inserted)
      })
    }
    if (shared.has(i)) states.set(i, Y.encodeStateAsUpdate(doc))
  })
  const whole = new Y.Doc()
  for (const doc of docs) Y.applyUpdate(whole, Y.encodeStateAsUpdate(doc))
  const text = whole.getText('t')
  if (text.toString() !== endContent) wrong('the recording ends elsewhere', {})
  const expected = []
  for (let item = text._start; item !== null; item = item.right) if (!item.deleted) for (let i = 0; i < item.length; i++) expected.push(`agent${item.id.client - 1}`)
  const { runs, error } = ask({ op: 'blame', root: 't', clients: { 1: 'agent0', 2: 'agent1' } })
  if (error) wrong('no blame', { error })
  const given = runs.flatMap(({ from, to, by }) => Array(to - from).fill(by))
  const apart = expected.map((by, i) => (by === given[i] ? -1 : i)).filter((i) => i >= 0)
  if (given.length !== expected.length || apart.length > 0) wrong('a recording', { apart: apart.length, at: apart.slice(0, 20), text: apart.slice(0, 20).map((i) => endContent.slice(i - 10, i + 10)) })
  seen.recordings++
}
say({ end: 'right', seen })
