// Yjs 13 judges the past: several people type at once, and after each entry of the timeline the document that the server tells for its
// seq is the one that a replay has.
//
//   node past.mjs SEED HISTORIES STEPS

import { createRequire } from 'node:module'
import { ask, decode, encode, say } from './pipe.mjs'
import { chance, typist } from './typist.mjs'

const require = createRequire(new URL('../clients/package.json', import.meta.url))
const Y = require('yjs')

const seed = Number(process.argv[2] ?? 1)
const histories = Number(process.argv[3] ?? 30)
const steps = Number(process.argv[4] ?? 80)

const by = chance(seed)
const { random, below, one } = by
const { roots, show, type } = typist(Y, by)
const seen = { histories: 0, states: 0, reopened: 0, deletions: 0, late: 0, blames: 0, diffs: 0 }

function wrong (what, details) {
  say({ end: 'wrong', what, seed, ...details })
  process.exit(1)
}

/** A document of an update, in which all roots are there. */
function read (update) {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, update)
  return doc
}

/** What of a type's list counts for its length. */
function countable (type, counts = () => true) {
  let length = 0
  for (let item = type._start; item !== null; item = item.right) if (!item.deleted && item.countable && counts(item)) length += item.length
  return length
}
/** Letters and embeds in XML, with all that lies in it. */
function letters (type) {
  let length = countable(type, ({ content }) => content instanceof Y.ContentString || content instanceof Y.ContentEmbed)
  for (let item = type._start; item !== null; item = item.right) if (!item.deleted && item.content instanceof Y.ContentType) length += letters(item.content.type)
  return length
}

/** A text in its units: U+FFFC for what is no text. */
function units (type) {
  let text = ''
  for (let item = type._start; item !== null; item = item.right) if (!item.deleted && item.countable) text += item.content instanceof Y.ContentString ? item.content.str : '\ufffc'.repeat(item.length)
  return text
}
/** The same but for halves of pairs. */
const alike = (one, other) => one.replace(/[\ud800-\udfff]/g, '\ufffd') === other.replace(/[\ud800-\udfff]/g, '\ufffd')

for (let history = 0; history < histories; history++) {
  ask({ op: 'new', gc: random() < 0.5 })
  ask({ op: 'timeline', segment: 1 + below(20) })
  const people = [1, 2, 3].map((client) => {
    const doc = new Y.Doc({ gc: random() < 0.5 })
    doc.clientID = client + 3 * below(2 ** 30)
    for (const [name, kind] of roots) doc.get(name, kind)
    const undo = new Y.UndoManager(roots.map(([name, kind]) => doc.get(name, kind)), { captureTimeout: 0 })
    return { doc, undo, name: `user${client}`, inbox: [], outbox: [] }
  })
  const entries = []
  for (const person of people) person.doc.on('update', (update, origin) => { if (origin !== 'net') person.outbox.push(update) })
  const send = (person) => {
    // Some come late, and several as one.
    const updates = person.outbox.splice(0)
    if (updates.length > 1) seen.late++
    for (const update of random() < 0.5 ? [Y.mergeUpdates(updates)] : updates) {
      const { news, lacking, refused } = ask({ op: 'apply', update: encode(update) })
      if (refused || lacking) wrong('an edit does not join', { history, refused })
      if (!news) continue
      entries.push(decode(news))
      ask({ op: 'entry', update: news, author: person.name, at: 1000 * entries.length })
      if (Y.decodeUpdate(decode(news)).ds.clients.size > 0) seen.deletions++
      for (const other of people) if (other !== person) other.inbox.push(decode(news))
    }
  }
  for (let step = 0; step < steps; step++) {
    const person = one(people)
    if (random() < 0.4) {
      for (const update of person.inbox.splice(0, below(person.inbox.length + 1))) Y.applyUpdate(person.doc, update, 'net')
      continue
    }
    person.doc.transact(() => { for (let i = 0; i < 1 + below(3); i++) type(person) })
    if (random() < 0.6 && person.outbox.length) send(person)
  }
  for (const person of people) if (person.outbox.length) send(person)
  for (const again of [false, true]) {
    if (again) { ask({ op: 'reopen' }); seen.reopened++ }
    for (let seq = 0; seq <= entries.length; seq++) {
      // At once: between two transactions a client takes out formatting marks that change nothing, by an edit of its own.
      const replay = new Y.Doc()
      replay.transact(() => entries.slice(0, seq).forEach((update) => Y.applyUpdate(replay, update)))
      const { state, found } = ask({ op: 'past', seq })
      const past = read(decode(state))
      if (past.store.pendingStructs || past.store.pendingDs) wrong('a past state is incomplete', { history, seq, again })
      if (show(past) !== show(replay)) wrong('a past state differs', { history, seq, again, a: show(past), b: show(replay), state })
      const clients = Object.fromEntries(people.map(({ doc, name }) => [doc.clientID, name]))
      for (const [root] of again && seq > 0 ? roots : []) {
        const { runs, error } = ask({ op: 'blame', root, seq, clients })
        // A root that is not there yet has nothing in it.
        if (error && past.get(root)._start === null && past.get(root)._map.size === 0) continue
        if (error) wrong('no blame', { history, seq, root, error })
        let at = 0
        for (const { from, to, by } of runs) {
          if (from !== at || to <= from || !people.some(({ name }) => name === by)) wrong('blame has gaps', { history, seq, root, runs })
          at = to
        }
        const type = past.get(root)
        // A list with nothing but XML in it reads as XML.
        const length = root === 'map' ? 0 : root === 'xml' || (root === 'list' && at !== countable(type)) ? letters(type) : countable(type)
        if (at !== length) wrong('blame covers something else', { history, seq, root, at, length, runs })
        seen.blames++
      }
      if (found !== seq) wrong('a time is found elsewhere', { history, seq, found })
      seen.states++
    }
  }
  for (let i = 0; i < 20; i++) {
    // What changed in a text, applied to what it was, gives what it became, forwards and backwards.
    const [from, to] = [below(entries.length + 1), below(entries.length + 1)]
    const text = (seq) => { const doc = new Y.Doc(); doc.transact(() => entries.slice(0, seq).forEach((update) => Y.applyUpdate(doc, update))); return units(doc.getText('text')) }
    const { ops, error } = ask({ op: 'differences', root: 'text', from, to, clients: {} })
    if (error) continue
    const old = text(from)
    let [at, made] = [0, '']
    for (const { retain, insert, delete: gone, seq } of ops) {
      if (seq !== undefined && (seq <= Math.min(from, to) || seq > Math.max(from, to))) wrong('a change is of another time', { history, from, to, ops })
      if (retain) { made += old.slice(at, at + retain); at += retain } else if (insert !== undefined) made += insert; else if (alike(old.slice(at, at + gone.length), gone)) at += gone.length; else wrong('a text that was not there', { history, from, to, ops, old })
    }
    if (!alike(made + old.slice(at), text(to))) wrong('a difference is another', { history, from, to, old, made, expected: text(to), ops })
    seen.diffs++
  }
  seen.histories++
}
say({ end: 'right', seen })
