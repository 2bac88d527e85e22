// Yjs 13 judges what the server keeps of a document. Random histories of several people are typed here; the server's part answers
// on the other side of the pipe, one JSON line a question. Ends with a line that says what was seen, or with what was wrong.
//
//   node histories.mjs SEED HISTORIES

import { createRequire } from 'node:module'
import { ask, decode, encode, say } from './pipe.mjs'
import { difference, expected, given } from './renders.mjs'
import { chance, typist } from './typist.mjs'

const require = createRequire(new URL('../clients/package.json', import.meta.url))
const Y = require('yjs')
// Its last release before 13.6, which people still run.
const older = require('yjs-13-5')

const seed = Number(process.argv[2] ?? 1)
const histories = Number(process.argv[3] ?? 100)
const steps = Number(process.argv[4] ?? 120)

const by = chance(seed)
const { random, below, one } = by
const newer = { Y, ...typist(Y, by) }
const earlier = { Y: older, ...typist(older, by, false) }
const { roots: ROOTS, show } = newer

function wrong (what, details) {
  say({ end: 'wrong', what, seed, ...details })
  process.exit(1)
}

/** Texts from where they differ. */
function apart (texts) {
  let at = 0
  while (texts.every((text) => text[at] === texts[0][at])) at++
  return texts.map((text) => text.slice(Math.max(0, at - 200), at + 300))
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

/** An update in v2 is rewritten as Yjs rewrites it. */
function checkV2 (update, details) {
  const v2 = Y.convertUpdateFormatV1ToV2(update)
  const { update: v1, refused } = ask({ op: 'v2', update: encode(v2) })
  const expected = encode(Y.convertUpdateFormatV2ToV1(v2))
  if (v1 !== expected) wrong('an update in v2 becomes another', { ...details, refused, v1, expected, v2: encode(v2) })
  seen.v2++
}

const seen = { histories: 0, views: 0, answers: 0, cuts: 0, lacking: 0, reloads: 0, merged: 0, skips: 0, diffs: 0, older: 0, v2: 0, bytes: 0, yjsBytes: 0 }

for (let history = 0; history < histories; history++) {
  const gc = random() < 0.6
  ask({ op: 'new', gc })
  const people = [1, 2, 3, 4].map((_, i) => {
    const { Y, roots, type, show } = i === 3 && random() < 0.5 ? earlier : newer
    if (Y === older) seen.older++
    const doc = new Y.Doc({ gc: gc && random() < 0.5 })
    doc.clientID = 1 + i + 4 * below(random() < 0.5 ? 50 : 2 ** 30)
    for (const [name, kind] of roots) doc.get(name, kind)
    const undo = new Y.UndoManager(roots.map(([name, kind]) => doc.get(name, kind)), { captureTimeout: 0 })
    return { Y, type, doc, undo, inbox: [], show: () => show(doc) }
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
  // As a client answers a Step1, or as a store of updates does that has no document.
  const resync = (from) => {
    const vector = decode(ask({ op: 'vector' }).vector)
    if (random() < 0.8) return send({ update: from.Y.encodeStateAsUpdate(from.doc, vector), from })
    seen.diffs++
    return send({ update: from.Y.diffUpdate(from.Y.encodeStateAsUpdate(from.doc), vector), from })
  }
  // Somebody who missed some of it, and holds the rest back until it comes.
  const relay = new Y.Doc({ gc })
  const pass = () => {
    if (isWhole(relay)) return
    const held = Y.encodeStateAsUpdate(relay, random() < 0.5 ? decode(ask({ op: 'vector' }).vector) : undefined)
    if (Y.decodeUpdate(held).structs.some((struct) => struct instanceof Y.Skip)) seen.skips++
    send({ update: held, from: null })
  }
  /** Neighbours in the outbox of the same author as one update, what was lost between them left out. */
  const merged = (at) => {
    const { from } = outbox[at]
    let end = at + 1
    while (end < outbox.length && end < at + 6 && outbox[end].from === from) end++
    const updates = outbox.splice(at, end - at).map(({ update }) => update).filter((_, i) => i === 0 || random() < 0.9)
    if (updates.length > 1) seen.merged++
    return { update: from.Y.mergeUpdates(updates), from }
  }
  const deliver = () => {
    while (outbox.length) {
      const at = random() < 0.85 ? 0 : below(Math.min(outbox.length, 4))
      const message = random() < 0.2 ? merged(at) : outbox.splice(at, 1)[0]
      if (random() < 0.7) Y.applyUpdate(relay, message.update)
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
    for (const update of [answer, Y.encodeStateAsUpdate(one(people).doc)]) {
      checkView(update, { history, when })
      checkV2(update, { history, when })
    }
    return { doc, answer }
  }
  for (let step = 0; step < steps; step++) {
    if (step % 25 === 12) stale.push(Y.encodeStateAsUpdate(one(people).doc))
    const person = one(people)
    if (random() < 0.3) {
      const count = below(person.inbox.length + 1)
      for (const update of person.inbox.splice(0, count)) person.Y.applyUpdate(person.doc, update, 'net')
      continue
    }
    if (random() < 0.3) person.doc.transact(() => { for (let i = 0; i < 1 + below(4); i++) person.type(person) }); else person.type(person)
    if (random() < 0.5) deliver()
    if (random() < 0.05) pass()
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
      person.Y.applyUpdate(person.doc, decode(ask({ op: 'diff', vector: encode(person.Y.encodeStateVector(person.doc)) }).update), 'net')
      for (const update of person.inbox.splice(0)) person.Y.applyUpdate(person.doc, update, 'net')
    }
    deliver()
  }
  const shows = new Set(people.map(({ show }) => show()))
  if (shows.size > 1) wrong('people differ', { history, shows: apart([...shows]) })
  // As it was written: in small blocks, of which none is collected.
  checkView(Y.mergeUpdates(written), { history })
  for (const update of written) checkV2(update, { history })
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
