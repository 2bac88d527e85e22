// A room's past by the browser client, from the real server.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as Y from 'yjs'
import { blocksOf, plainTextOf, Timeline } from '../../static/client/tutti-history.js'
import { join, newRoom, versions } from './support/client.mjs'
import { startServer } from './support/server.mjs'
import { token } from './support/token.mjs'
import { talk } from './support/tutti.mjs'
import { until } from './support/until.mjs'

let server
before(async () => {
  server = await startServer({ args: ['--rate-user', '100000', '--rate-room', '100000'] })
})
after(() => server?.close())

const [version] = versions
const refusal = (promise) => promise.then(() => assert.fail('this was not refused'), ({ code }) => code)

/** A room in which ada wrote `one two three`, and bob made `two` into `2`. */
async function writtenRoom(t) {
  const name = newRoom()
  const ada = await join(t, server, { version, room: name })
  const bob = await join(t, server, { version, room: name, as: token({ sub: 'bob' }) })
  ada.type('one two three')
  await ada.acknowledged()
  await bob.reads('one two three')
  bob.doc.transact(() => {
    bob.text.delete(4, 3)
    bob.text.insert(4, '2')
  })
  await bob.acknowledged()
  await ada.reads('one 2 three')
  return { name, ada, bob, of: talk(t, server, { as: { sub: 'carol' } }).tutti.room(name).past }
}

test('a client reads what a document was, who wrote it and what changed', async (t) => {
  const { of } = await writtenRoom(t)
  assert.deepEqual(await of.document({ at: 1 }), { seq: 1, content: { content: 'one two three' } })
  assert.deepEqual(await of.document({ at: 2, format: 'text' }), { seq: 2, content: 'one 2 three' })
  assert.deepEqual(await of.document({ at: new Date(0), format: 'text' }), { seq: 0, content: '' })
  const { seq, content } = await of.document({ at: 1, format: 'yjs' })
  const doc = new Y.Doc()
  Y.applyUpdate(doc, content)
  assert.deepEqual([seq, doc.getText('content').toString()], [1, 'one two three'])

  const { runs } = await of.blame()
  assert.deepEqual(runs.map(({ from, to, by, seq }) => [from, to, by, seq]), [[0, 4, 'ada', 1], [4, 5, 'bob', 2], [5, 11, 'ada', 1]])
  const { ops } = await of.diff({ from: 1 })
  assert.deepEqual(
    ops.map(({ retain, insert, text, by }) => [retain ?? insert ?? text, by]),
    [[4, undefined], ['two', 'bob'], ['2', 'bob'], [6, undefined]],
  )
  const { sessions } = await of.activity({ limit: 5 })
  assert.deepEqual(sessions.map(({ from, to, authors }) => [from, to, authors]), [
    [1, 2, [{ user: 'ada', edits: 1, inserted: 13, deleted: 0 }, { user: 'bob', edits: 1, inserted: 1, deleted: 3 }]],
  ])
  assert.deepEqual((await of.versions({ automatic: true })).map(({ seq, authors }) => [seq, authors]), [[2, ['ada', 'bob']]])
  const { kind, root, authors, edits, units } = await of.replay()
  assert.deepEqual([kind, root, authors, edits.count, units.text], ['text', 'content', ['ada', 'bob'], 2, 'one two2 three'])
  assert.deepEqual(units.deleted, [0, 0, 4, 2, 0, 3, 0, 0, 7])
  assert.equal(await refusal(of.document({ at: 3 })), 'seq_not_found')
})

test('a client names versions, changes and removes their names, and goes back to one', async (t) => {
  const { of, ada, bob } = await writtenRoom(t)
  const named = await of.nameVersion({ seq: 1, label: 'Sent', meta: { copies: 3 } })
  assert.deepEqual([named.seq, named.label, named.meta, named.authors], [1, 'Sent', { copies: 3 }, ['carol']])
  assert.equal(await refusal(of.nameVersion({ seq: 1, label: 'Sent' })), 'version_exists')
  await of.changeVersion(named, { label: 'Sent to the printer' })
  assert.deepEqual((await of.versions()).map(({ label }) => label), ['Sent to the printer'])

  assert.equal(await refusal(of.restore(1, { ifHead: 1 })), 'changed')
  assert.deepEqual(await of.restore(1, { dryRun: true }), { seq: null, to: 1, from: 2, inserted: 3, deleted: 1 })
  assert.deepEqual(await of.restore(1, { ifHead: 2 }), { seq: 3, to: 1, from: 2, inserted: 3, deleted: 1 })
  await Promise.all([ada.reads('one two three'), bob.reads('one two three')])
  const { runs } = await of.blame()
  assert.deepEqual(runs.map(({ from, to, by }) => [from, to, by]), [[0, 13, 'ada']])

  await of.removeVersion({ seq: 1, label: 'Sent to the printer' })
  assert.deepEqual(await of.versions(), [])
})

test('a copy has the ids of the original, in editors too, and goes on by itself', async (t) => {
  const { name, of, ada } = await writtenRoom(t)
  const [copy, whole] = [newRoom(), newRoom()]
  assert.deepEqual(await of.copy(copy), { room: copy, seq: 1, from: { room: name, seq: 2 } })
  assert.deepEqual(await of.copy(whole, { history: true, at: new Date() }), { room: whole, seq: 2, from: { room: name, seq: 2 } })
  assert.equal(await refusal(of.copy(copy)), 'room_exists')
  assert.equal(await refusal(of.copy(newRoom(), { version: 'none' })), 'version_not_found')
  for (const room of [copy, whole]) {
    const dora = await join(t, server, { version, room, as: token({ sub: 'dora' }) })
    await dora.reads('one 2 three')
    // What points into the original's text points into the copy's.
    const point = Y.createRelativePositionFromTypeIndex(ada.text, 4)
    assert.equal(Y.createAbsolutePositionFromRelativePosition(point, dora.doc).index, 4)
    dora.type('! ')
    await dora.acknowledged()
    // Updates of both merge: neither has an id of the other's.
    const both = new Y.Doc()
    for (const { doc } of [ada, dora]) Y.applyUpdate(both, Y.encodeStateAsUpdate(doc))
    assert.equal(both.getText('content').toString(), dora.text.toString())
  }
  assert.equal(ada.text.toString(), 'one 2 three')
  const past = talk(t, server).tutti.room(whole).past
  assert.deepEqual((await past.document({ at: 1 })).content, { content: 'one two three' })
})

test('trap 40: a document of a map and a list, with bytes and another document in them, has a past, too', async (t) => {
  const name = newRoom()
  const ada = await join(t, server, { version, room: name })
  const files = ada.doc.getMap('files')
  const edits = [
    () => [files.set('image', Uint8Array.of(1, 2)), ada.doc.getArray('list').push([Uint8Array.of(3)])],
    () => files.set('page', new Y.Doc({ guid: 'page-1' })),
    () => [files.set('image', Uint8Array.of(9)), files.delete('page')],
  ]
  for (const edit of edits) {
    ada.doc.transact(edit)
    await ada.acknowledged()
  }
  const of = talk(t, server, { as: { sub: 'carol' } }).tutti.room(name).past
  const list = [[3]]
  assert.deepEqual((await of.document({ at: 1 })).content, { files: { image: [1, 2] }, list })
  assert.deepEqual((await of.document({ at: 2 })).content, { files: { image: [1, 2], page: 'page-1' }, list })
  assert.deepEqual((await of.document({ at: 3 })).content, { files: { image: [9] }, list })
  const doc = new Y.Doc()
  Y.applyUpdate(doc, (await of.document({ at: 2, format: 'yjs' })).content)
  assert.deepEqual([doc.getMap('files').get('image'), doc.getMap('files').get('page').guid], [Uint8Array.of(1, 2), 'page-1'])

  assert.deepEqual([await refusal(of.diff({ from: 1 })), await refusal(of.blame())], ['root_needed', 'root_needed'])
  const keys = async (range) => {
    const { kind, ops, keys } = await of.diff({ ...range, root: 'files' })
    assert.deepEqual([kind, ops], ['map', []])
    return Object.fromEntries(Object.entries(keys).map(([key, { at, ...change }]) => [key, change]))
  }
  assert.deepEqual(await keys({ from: 0, to: 2 }), {
    image: { to: [1, 2], by: 'ada', seq: 1 },
    page: { to: 'page-1', by: 'ada', seq: 2 },
  })
  assert.deepEqual(await keys({ from: 2 }), {
    image: { from: [1, 2], to: [9], by: 'ada', seq: 3 },
    page: { from: 'page-1', by: 'ada', seq: 3 },
  })
  const { ops } = await of.diff({ from: 0, root: 'list' })
  assert.deepEqual(ops.map(({ insert, by, seq }) => [insert, by, seq]), [[[[3]], 'ada', 1]])
  const blamed = async (root) => (await of.blame({ root })).runs.map(({ from, to, by }) => [from, to, by])
  assert.deepEqual([await blamed('files'), await blamed('list')], [[], [[0, 1, 'ada']]])

  assert.equal((await of.restore(2)).seq, 4)
  await until(() => files.get('page')?.guid === 'page-1' && files.get('image')?.length === 2, 'bytes and the document come back')
  assert.deepEqual(files.get('image'), Uint8Array.of(1, 2))
})

test('a reader does not look back, unless the token says so', async (t) => {
  const { name } = await writtenRoom(t)
  const reader = (history) => talk(t, server, { as: { rooms: [{ room: name, access: 'read', history }] } }).tutti.room(name).past
  assert.equal(await refusal(reader(undefined).document({ at: 1 })), 'forbidden')
  assert.equal(await refusal(reader(undefined).versions()), 'forbidden')
  assert.equal((await reader(true).document({ at: 1, format: 'text' })).content, 'one two three')
  assert.equal(await refusal(reader(true).restore(1)), 'forbidden')
})

/** Numbers that look random, the same in each run. */
function dice(seed) {
  let state = seed
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * sides)
  }
}

/** Three people who edit at once, each hearing of the others now and then; `change` makes an edit in a document. */
async function editsOfThree(name, edits, roll, change) {
  const people = ['ada', 'bob', 'carol'].map((sub) => ({ doc: new Y.Doc(), as: token({ sub }), unheard: [] }))
  for (let i = 0; i < edits; i += 1) {
    const person = people[roll(3)]
    if (roll(3) > 0) for (const update of person.unheard.splice(0)) Y.applyUpdate(person.doc, update)
    const before = Y.encodeStateVector(person.doc)
    person.doc.transact(() => change(person.doc, roll))
    const update = Y.encodeStateAsUpdate(person.doc, before)
    for (const other of people) if (other !== person) other.unheard.push(update)
    const response = await server.fetch(`/api/v1/rooms/${name}/document`, { method: 'POST', body: update, as: person.as })
    assert.ok(response.ok, await response.clone().text())
    await response.arrayBuffer()
  }
}

/** The replay of a room, and its past. */
async function replayed(t, name) {
  const { past } = talk(t, server).tutti.room(name)
  return { past, timeline: new Timeline(await past.replay()) }
}

test('a replay shows the text that the server shows at every seq, and the same authors', async (t) => {
  const name = newRoom()
  const change = (doc, roll) => {
    const text = doc.getText('content')
    const units = text.toString()
    // Editors neither type nor delete within a surrogate pair.
    const whole = (at) => at - Number(/[\udc00-\udfff]/.test(units[at] ?? ''))
    const at = whole(roll(units.length + 1))
    const end = whole(Math.min(units.length, at + 1 + roll(6)))
    if (roll(3) > 0 || end <= at) text.insert(at, ['a', 'wörd ', '\n', 'two\nlines', '😀', 'x'.repeat(1 + roll(9))][roll(6)])
    else text.delete(at, end - at)
  }
  await editsOfThree(name, 150, dice(7), change)
  const { past, timeline } = await replayed(t, name)
  assert.ok(timeline.count > 100)
  for (let seq = 0; seq <= timeline.head; seq += 1) {
    const { content } = await past.document({ at: seq, format: 'text' })
    assert.equal(plainTextOf(blocksOf(timeline, timeline.editAt(seq))), content, `at ${seq}`)
  }
  const { runs } = await past.blame()
  const blamed = runs.flatMap(({ from, to, by }) => Array(to - from).fill(by))
  const units = Array.from({ length: timeline.by.length }, (_, unit) => unit)
  const shown = units.filter((unit) => timeline.isThere(unit, timeline.count)).map((unit) => timeline.authors[timeline.by[unit]])
  assert.deepEqual(shown, blamed)
})

/** ProseMirror's JSON of a type after an edit, as far as the tests make such documents. */
function nodesOf(timeline, type, edit) {
  const nodes = []
  const marks = new Map()
  const isThere = (unit) => timeline.isThere(unit, edit)
  for (const part of type.parts) {
    if (part.kind === 'mark' && isThere(part.unit)) part.value === null ? marks.delete(part.key) : marks.set(part.key, part.value)
    if (part.kind === 'type' && isThere(part.unit)) {
      const inner = nodesOf(timeline, part, edit)
      if (part.name === null) nodes.push(...inner)
      else nodes.push({ type: part.name, attrs: timeline.attributesOf(part, edit), content: inner })
    }
    if (part.kind !== 'units') continue
    for (let unit = part.from; unit < part.to; unit += 1) {
      if (isThere(unit)) nodes.push({ type: 'text', text: timeline.textOf(unit, unit + 1, edit), marks: [...marks].map(([type, attrs]) => ({ type, attrs })) })
    }
  }
  return nodes
}

/** With what may be written in several ways in one of them. */
function inOneForm(nodes = []) {
  const found = []
  for (const { type, text, attrs = {}, marks = [], content } of nodes) {
    if (type !== 'text') {
      found.push({ type, attrs: Object.fromEntries(Object.entries(attrs).sort()), content: inOneForm(content) })
      continue
    }
    const sorted = marks.map(({ type, attrs = {} }) => JSON.stringify([type, attrs])).sort()
    const last = found.at(-1)
    if (last?.text !== undefined && last.marks.join() === sorted.join()) last.text += text
    else found.push({ text, marks: sorted })
  }
  return found
}

test('a replay shows the elements, attributes and formats that the server shows at every seq', async (t) => {
  const name = newRoom()
  const change = (doc, roll) => {
    const root = doc.getXmlFragment('default')
    const blocks = root.toArray()
    const block = blocks[roll(blocks.length || 1)]
    const what = roll(6)
    if (!block || what === 0) {
      const added = new Y.XmlElement(['paragraph', 'heading', 'blockquote'][roll(3)])
      added.insert(0, [new Y.XmlText(['one', 'two', ''][roll(3)])])
      return root.insert(roll(blocks.length + 1), [added])
    }
    if (what === 1) return block.setAttribute(['level', 'align'][roll(2)], [1, 2, 'left'][roll(3)])
    if (what === 2 && blocks.length > 2) return root.delete(blocks.indexOf(block), 1)
    const text = block.get(0)
    if (what === 3 && text.length > 0) return text.delete(roll(text.length), 1)
    if (what === 4 && text.length > 1) return text.format(roll(text.length - 1), 1 + roll(2), { bold: [{}, null][roll(2)] })
    text.insert(roll(text.length + 1), ['a', 'word '][roll(2)])
  }
  await editsOfThree(name, 150, dice(11), change)
  const { past, timeline } = await replayed(t, name)
  for (let seq = 0; seq <= timeline.head; seq += 1) {
    const { content } = await past.document({ at: seq, format: 'prosemirror' })
    assert.deepEqual(inOneForm(nodesOf(timeline, timeline.root, timeline.editAt(seq))), inOneForm(content.content), `at ${seq}`)
  }
})
