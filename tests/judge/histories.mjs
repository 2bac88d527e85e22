// Yjs 13 judges what the server keeps of a document. Random histories of several people are typed here; the server's part answers
// on the other side of the pipe, one JSON line a question. Ends with a line that says what was seen, or with what was wrong.
//
//   node histories.mjs SEED HISTORIES

import { createRequire } from 'node:module'
import { ask, decode, encode, say } from './pipe.mjs'
import { difference, expected, given } from './renders.mjs'

const require = createRequire(new URL('../clients/package.json', import.meta.url))
const Y = require('yjs')

const seed = Number(process.argv[2] ?? 1)
const histories = Number(process.argv[3] ?? 100)
const steps = Number(process.argv[4] ?? 120)

let state = seed >>> 0 || 1
// mulberry32
const random = () => {
  state = (state + 0x6d2b79f5) >>> 0
  let t = state
  t = Math.imul(t ^ (t >>> 15), t | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}
const below = (n) => Math.floor(random() * n)
const one = (list) => list[below(list.length)]

const WORDS = ['a', 'bc', 'def ', 'ü', '😀', 'x😀y', '日本', '\n', '👩‍👩‍👧', 'longer words that are worth a cut ']
const values = () => one([
  () => below(100), () => -below(1e6), () => random(), () => 1795879966678, () => 2 ** 40, () => 5n, () => 9007199254740993n, () => true, () => null,
  () => undefined, () => 'text 😀', () => ({ z: 1, a: [1, { b: null }], m: 'x' }), () => [1, 'two', [3]], () => new Uint8Array([1, 2, 3]), () => -0, () => 1e300,
])()
const nested = () => one([
  () => new Y.Map([['k', below(5)], ['l', 'v']]), () => new Y.Array(), () => new Y.Text('in😀side'), () => new Y.XmlElement('p'), () => new Y.XmlText('xml'), () => new Y.Doc({ guid: `sub${below(1e6)}` }),
])()

const isType = (value, kind) => value instanceof kind
function someType (types, kind) {
  const found = [...types].filter((type) => isType(type, kind))
  return found.length ? one(found) : null
}

/** All shared types of a document that are still in it. */
function typesOf (doc) {
  const found = []
  const visit = (type) => {
    found.push(type)
    type._map.forEach((item) => { if (!item.deleted && item.content instanceof Y.ContentType) visit(item.content.type) })
    for (let item = type._start; item !== null; item = item.right) if (!item.deleted && item.content instanceof Y.ContentType) visit(item.content.type)
  }
  for (const [name, kind] of ROOTS) visit(doc.get(name, kind))
  return found
}
const ROOTS = [['text', Y.Text], ['list', Y.Array], ['map', Y.Map], ['xml', Y.XmlFragment], ['rich', Y.XmlText]]

function type (person) {
  const { doc } = person
  const types = typesOf(doc)
  switch (below(14)) {
    case 0: case 1: case 2: {
      const text = someType(types, Y.Text)
      if (text) text.insert(below(text.length + 1), one(WORDS))
      break
    }
    case 3: {
      const text = one([doc.get('text', Y.Text), someType(types, Y.Text)])
      let at = below(text.length + 1)
      for (let i = 0; i < 6; i++) { text.insert(Math.min(at, text.length), 'typed'[i % 5]); at++ }
      break
    }
    case 4: case 5: {
      const text = someType(types, Y.Text)
      if (text.length) { const at = below(text.length); text.delete(at, Math.min(text.length - at, 1 + below(one([3, 3, 40])))) }
      break
    }
    case 6: {
      const text = someType(types, Y.Text)
      if (text.length) { const at = below(text.length); text.format(at, Math.min(text.length - at, 1 + below(5)), one([{ bold: true }, { bold: null }, { link: 'half 😀'.slice(0, 6) }, { size: 1e19, deep: { a: [1] } }])) }
      break
    }
    case 7: {
      const text = someType(types, Y.Text)
      text.insertEmbed(below(text.length + 1), one([{ image: 'x.png', alt: 'A 😀'.slice(0, 3) }, { n: 1e19 }, new Y.Map([['in', 'embed']])]))
      break
    }
    case 8: {
      const list = someType(types, Y.Array)
      if (list) { if (random() < 0.7) list.insert(below(list.length + 1), random() < 0.6 ? Array.from({ length: 1 + below(4) }, () => { const value = values(); return value === undefined || typeof value === 'bigint' ? [value] : value }) : [nested()]); else if (list.length) { const at = below(list.length); list.delete(at, Math.min(list.length - at, 1 + below(3))) } }
      break
    }
    case 9: case 10: {
      const map = someType(types, Y.Map)
      const key = `k${below(3)}`
      if (random() < 0.75) map.set(key, random() < 0.7 ? values() : nested()); else map.delete(key)
      break
    }
    case 11: {
      const parents = types.filter((t) => t instanceof Y.XmlFragment)
      const parent = one(parents)
      if (random() < 0.7) parent.insert(below(parent.length + 1), [random() < 0.5 ? new Y.XmlElement(one(['p', 'h1'])) : random() < 0.9 ? new Y.XmlText('hey 😀') : new Y.XmlHook('hook')])
      else if (parent.length) parent.delete(below(parent.length), 1)
      break
    }
    case 12: {
      const element = someType(types, Y.XmlElement)
      if (element) { if (random() < 0.8) element.setAttribute(one(['class', 'id']), one(['x', 'y', 5])); else element.removeAttribute('class') } else doc.get('rich', Y.XmlText).setAttribute('__dir', 'ltr')
      break
    }
    case 13: if (random() < 0.6) person.undo.undo(); else person.undo.redo()
  }
}

const plain = (value) => {
  if (typeof value === 'bigint') return `${value}n`
  if (value === undefined) return 'undefined'
  if (Object.is(value, -0)) return '-0'
  if (value instanceof Uint8Array) return `bytes ${encode(value)}`
  if (value instanceof Y.Doc) return `document ${value.guid}`
  if (value instanceof Y.AbstractType) return shown(value)
  if (Array.isArray(value)) return value.map(plain)
  // Entries keep the order of their keys, which are the client's.
  if (value && typeof value === 'object') return { entries: Object.entries(value).map(([k, v]) => [k, plain(v)]) }
  return value
}
/** Yjs splits a surrogate pair into two U+FFFD wherever anybody looks between its halves, also where that makes no edit. */
const halved = (text) => text.replace(/[\ud800-\udfff]/g, '\ufffd')
function shown (type) {
  const attributes = {}
  for (const [key, item] of [...type._map].sort(([a], [b]) => (a < b ? -1 : 1))) if (!item.deleted) attributes[key] = plain(item.content.getContent()[item.length - 1])
  const list = []
  // Whoever looks at a text may take out marks that change nothing, so what they make of it is compared.
  const formats = new Map()
  const add = (text) => {
    const marks = JSON.stringify([...formats].sort(([a], [b]) => (a < b ? -1 : 1)))
    if (list.at(-1)?.marks === marks) list.at(-1).text += text; else list.push({ text, marks })
  }
  for (let item = type._start; item !== null; item = item.right) {
    if (item.deleted) continue
    if (item.content instanceof Y.ContentFormat) { if (item.content.value === null) formats.delete(item.content.key); else formats.set(item.content.key, plain(item.content.value)) } else if (item.content instanceof Y.ContentString) add(halved(item.content.str))
    else for (const value of item.content.getContent()) list.push(plain(value))
  }
  return { kind: type.constructor.name, name: type.nodeName ?? type.hookName, attributes, list }
}
const show = (doc) => JSON.stringify(ROOTS.map(([name, kind]) => shown(doc.get(name, kind))))

function wrong (what, details) {
  say({ end: 'wrong', what, seed, ...details })
  process.exit(1)
}

/** What the server has, in a document of its own. */
function read (update, gc = true) {
  const doc = new Y.Doc({ gc })
  Y.applyUpdate(doc, update)
  return doc
}
const isWhole = (doc) => doc.store.pendingStructs === null && doc.store.pendingDs === null
const sameVector = (one, other) => JSON.stringify([...Y.decodeStateVector(one)].sort()) === JSON.stringify([...Y.decodeStateVector(other)].sort())

function deletedOf (doc) {
  const all = new Map()
  doc.store.clients.forEach((structs, client) => all.set(client, structs.filter((s) => s.deleted).map((s) => [s.id.clock, s.id.clock + s.length])))
  return all
}
function isSubset (update, doc) {
  const all = deletedOf(doc)
  for (const [client, ranges] of Y.decodeUpdate(update).ds.clients) {
    for (const { clock, len } of ranges) {
      for (let at = clock; at < clock + len; at++) if (!(all.get(client) ?? []).some(([from, to]) => from <= at && at < to)) return false
    }
  }
  return true
}

/** A view shows what Yjs shows. */
function checkView (update, details) {
  const answer = ask({ op: 'view', update: encode(update) })
  if (answer.left_out > 0) wrong('a view leaves something out', { ...details, update: encode(update) })
  const found = difference(expected(update, ROOTS), given(answer))
  if (found) wrong('a view differs', { ...details, found, update: encode(update) })
  seen.views++
}

const seen = { histories: 0, views: 0, answers: 0, cuts: 0, lacking: 0, refused: 0, reloads: 0, bytes: 0, yjsBytes: 0 }

for (let history = 0; history < histories; history++) {
  const gc = random() < 0.6
  ask({ op: 'new', gc })
  const people = [1, 2, 3, 4].map((_, i) => {
    const doc = new Y.Doc({ gc: gc && random() < 0.5 })
    doc.clientID = 1 + i + 4 * below(random() < 0.5 ? 50 : 2 ** 30)
    for (const [name, kind] of ROOTS) doc.get(name, kind)
    const undo = new Y.UndoManager(ROOTS.map(([name, kind]) => doc.get(name, kind)), { captureTimeout: 0 })
    return { doc, undo, inbox: [], i }
  })
  const stale = []
  const outbox = []
  const written = []
  for (const person of people) {
    person.doc.on('update', (update, origin) => { if (origin !== 'net') { outbox.push({ update, from: person }); written.push(update) } })
  }
  const send = ({ update, from }) => {
    const { news, lacking, refused } = ask({ op: 'apply', update: encode(update) })
    if (refused) wrong('an edit of Yjs is refused', { history, refused, update: encode(update) })
    if (news) for (const person of people) if (person !== from) person.inbox.push(decode(news))
    if (lacking) { seen.lacking++; return true }
    return false
  }
  const resync = (from) => send({ update: Y.encodeStateAsUpdate(from.doc, decode(ask({ op: 'vector' }).vector)), from })
  const deliver = () => {
    while (outbox.length) {
      const at = random() < 0.85 ? 0 : below(Math.min(outbox.length, 4))
      const message = outbox.splice(at, 1)[0]
      if (random() < 0.04) continue
      if (random() < 0.05) outbox.push(message)
      if (send(message) && resync(message.from)) wrong('a Step2 is incomplete', { history })
    }
  }
  const check = (when) => {
    const answer = decode(ask({ op: 'state' }).state)
    const doc = read(answer, gc)
    if (!isWhole(doc)) wrong('the state is incomplete', { history, when, state: encode(answer) })
    seen.answers++
    // As the server keeps it, and as a person has it, with all that is deleted if it has not been collected there.
    for (const update of [answer, Y.encodeStateAsUpdate(one(people).doc)]) checkView(update, { history, when })
    return { doc, answer }
  }
  for (let step = 0; step < steps; step++) {
    if (step % 25 === 12) stale.push(Y.encodeStateAsUpdate(one(people).doc))
    const person = one(people)
    if (random() < 0.3) {
      const count = below(person.inbox.length + 1)
      for (const update of person.inbox.splice(0, count)) Y.applyUpdate(person.doc, update, 'net')
      continue
    }
    if (random() < 0.3) person.doc.transact(() => { for (let i = 0; i < 1 + below(4); i++) type(person) }); else type(person)
    if (random() < 0.5) deliver()
    if (random() < 0.02) { ask({ op: 'reload' }); seen.reloads++ }
    if (random() < 0.05) {
      // Whoever has some of it gets the rest.
      const { doc: whole } = check(step)
      const old = read(one(stale.length ? stale : [new Uint8Array([0, 0])]), gc)
      const vector = Y.encodeStateVector(old)
      const other = ask({ op: 'diff', vector: encode(vector) })
      Y.applyUpdate(old, decode(other.update))
      Y.applyUpdate(whole, Y.encodeStateAsUpdate(old))
      Y.applyUpdate(old, Y.encodeStateAsUpdate(whole))
      if (isWhole(old) && isWhole(whole) && show(old) !== show(whole)) wrong('who had a part differs', { history, step, a: show(old), b: show(whole) })
      seen.cuts++
    }
  }
  deliver()
  // All come together.
  for (let round = 0; round < 3; round++) {
    for (const person of people) {
      resync(person)
      deliver()
      Y.applyUpdate(person.doc, decode(ask({ op: 'diff', vector: encode(Y.encodeStateVector(person.doc)) }).update), 'net')
      for (const update of person.inbox.splice(0)) Y.applyUpdate(person.doc, update, 'net')
    }
    deliver()
  }
  const shows = new Set(people.map(({ doc }) => show(doc)))
  if (shows.size > 1) wrong('people differ', { history, shows: [...shows].map((s) => s.slice(0, 1500)) })
  // As it was written: in small blocks, of which none is collected.
  checkView(Y.mergeUpdates(written), { history })
  for (const again of [false, true]) {
    if (again) ask({ op: 'reload' })
    const { doc, answer } = check('end')
    if (show(doc) !== show(people[0].doc)) wrong('a fresh document differs', { history, again, a: show(doc), b: show(people[0].doc), state: encode(answer) })
    if (!sameVector(decode(ask({ op: 'vector' }).vector), Y.encodeStateVector(people[0].doc))) wrong('state vectors differ', { history, again })
    if (!isSubset(answer, people[0].doc)) wrong('something is deleted that Yjs has', { history, again })
    for (const old of stale) {
      const late = read(old, gc)
      // At its own vector, and at a random one below the document's.
      Y.applyUpdate(late, decode(ask({ op: 'diff', vector: encode(Y.encodeStateVector(late)) }).update))
      if (!isWhole(late) || show(late) !== show(people[0].doc)) wrong('who stopped listening differs', { history, again, whole: isWhole(late), a: show(late), b: show(people[0].doc) })
      seen.cuts++
    }
    if (!again) { seen.bytes += answer.length; seen.yjsBytes += Y.encodeStateAsUpdate(people[0].doc).length }
  }
  seen.histories++
}
say({ end: 'right', seen })
