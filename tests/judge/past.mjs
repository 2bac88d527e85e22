// Yjs 13 judges the past: several people type at once, and after each entry of the timeline the document that the server tells for its
// seq is the one that a replay has.
//
//   node past.mjs SEED HISTORIES STEPS

import { createRequire } from 'node:module'
import { ask, decode, encode, say } from './pipe.mjs'
import { applied, apart, models } from './model.mjs'
import { chance, typist } from './typist.mjs'

const require = createRequire(new URL('../clients/package.json', import.meta.url))
const Y = require('yjs')

const seed = Number(process.argv[2] ?? 1)
const histories = Number(process.argv[3] ?? 30)
const steps = Number(process.argv[4] ?? 80)

const by = chance(seed)
const { random, below, one } = by
const { roots, show, type } = typist(Y, by)
const { modelOf } = models(Y)
const seen = { histories: 0, states: 0, reopened: 0, deletions: 0, late: 0, blames: 0, inserted: 0, deleted: 0, reformatted: 0, modified: 0, created: 0, gone: 0, keys: 0, replayed: 0, whole: 0 }

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

/** The letters of a text. */
function * piecesOf (type) {
  for (let item = type._start; item !== null; item = item.right) if (!item.deleted && item.content instanceof Y.ContentString) yield item.content.str
}

/** Values stand in an answer as JSON. */
const valuesOf = (changes = {}) => JSON.parse(JSON.stringify(changes), (_, value) => typeof value === 'string' && value.startsWith('json:') ? JSON.parse(value.slice(5)) : value)

/** Counts what kinds of changes there were. */
function count ({ ops = [], keys = {} }) {
  for (const { retain, attributes, modify, insert, create, delete: gone, type } of ops) {
    if (retain && attributes) seen.reformatted++
    if (insert !== undefined) seen.inserted++
    if (gone) seen.deleted++
    if (create) { seen.created++; count(create) }
    if (modify) { seen.modified++; count(modify) }
    if (type) seen.gone++
  }
  for (const { modify } of Object.values(keys)) {
    seen.keys++
    if (modify) { seen.modified++; count(modify) }
  }
}

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
  const authors = []
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
      authors.push(person.name)
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
  {
    // A replay, too, and with pairs that somebody came between later.
    const { text, inserted, deleted, pairs, error } = ask({ op: 'replay', root: 'text', clients: {} })
    const [came, went] = [inserted, deleted].map((runs = []) => Array.from({ length: runs.length / 3 }, (_, i) => runs.slice(3 * i, 3 * i + 3)).flatMap(([first, step, count]) => Array.from({ length: count }, (_, i) => first + step * i)))
    for (let seq = 0; seq <= entries.length && !error; seq++) {
      const units = text.split('')
      for (const [at, other, code, until] of pairs) if (seq < until) [units[at], units[other]] = String.fromCodePoint(code)
      const replayed = units.filter((_, i) => came[i] <= seq && (went[i] === 0 || went[i] > seq) && units[i] !== '\ufffc').join('')
      const doc = new Y.Doc()
      doc.transact(() => entries.slice(0, seq).forEach((update) => Y.applyUpdate(doc, update)))
      const wanted = [...piecesOf(doc.getText('text'))].join('')
      if (replayed.toWellFormed() !== wanted.toWellFormed()) wrong('a replay differs', { history, seq, replayed, wanted, pairs })
      for (const [,,, until] of pairs) if (seq < until) seen.whole++
      seen.replayed++
    }
  }
  const whole = (seq) => {
    const doc = new Y.Doc()
    doc.transact(() => entries.slice(0, seq).forEach((update) => Y.applyUpdate(doc, update)))
    return doc
  }
  for (let i = 0; i < 12; i++) {
    // What changed in a root, applied to what it was, gives what it became, forwards and backwards; told by ids.
    const [from, to] = [below(entries.length + 1), below(entries.length + 1)]
    const [before, after] = [whole(from), whole(to)]
    for (const [root, kind] of roots) {
      const { changes: told, error } = ask({ op: 'differences', root, from, to, clients: {} })
      const changes = valuesOf(told)
      const [old, wanted] = [before, after].map((doc) => modelOf(doc.get(root, kind)))
      if (error && [old, wanted].every(({ keys, list }) => list.length === 0 && Object.keys(keys).length === 0)) continue
      const details = { history, root, from, to, changes, error, old, wanted }
      const stamp = ({ by, seq }) => {
        if (seq <= Math.min(from, to) || seq > Math.max(from, to)) throw new Error('a change is of another time')
        if (by !== authors[seq - 1]) throw new Error('a change is somebody else\'s')
      }
      try {
        const found = apart(old, applied(old, changes, stamp), wanted)
        if (found) wrong('a difference is another', { found, ...details })
      } catch (thrown) {
        wrong('a difference cannot be applied', { thrown: thrown.message, ...details })
      }
      count(changes)
    }
  }
  seen.histories++
}
say({ end: 'right', seen })
