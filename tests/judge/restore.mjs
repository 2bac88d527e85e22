// Yjs 13 judges going back: after the edit that restores a seq, every client shows what the document was then, in all roots; the same bytes
// whoever asks, nothing the second time, and back again.
//
//   node restore.mjs SEED HISTORIES STEPS

import { createRequire } from 'node:module'
import { ask, decode, encode, say } from './pipe.mjs'
import { chance, typist } from './typist.mjs'

const require = createRequire(new URL('../clients/package.json', import.meta.url))
const Y = require('yjs')

const seed = Number(process.argv[2] ?? 1)
const histories = Number(process.argv[3] ?? 60)
const steps = Number(process.argv[4] ?? 60)

const by = chance(seed)
const { random, below, one } = by
const { roots, show, type } = typist(Y, by)
const seen = { histories: 0, restored: 0, twice: 0, back: 0, concurrent: 0, untouched: 0, large: 0, authors: 0, undone: 0, alone: 0 }

function wrong (what, details) {
  say({ end: 'wrong', what, seed, ...details })
  process.exit(1)
}
function document (updates, gc = true) {
  const doc = new Y.Doc({ gc })
  doc.transact(() => updates.forEach((update) => Y.applyUpdate(doc, update)))
  for (const [name, kind] of roots) doc.get(name, kind)
  return doc
}

/** What stands directly in a root, in order, also what is deleted: each unit with its id, whether it is there, and what it is. */
function * listOf (type) {
  for (let item = type._start; item !== null; item = item.right) {
    if (!item.countable || item.content instanceof Y.ContentDeleted) continue
    const content = item.content instanceof Y.ContentString ? item.content.str.split('') : item.content.getContent()
    for (let i = 0; i < item.length; i++) {
      const what = content[i]
      const told = typeof what === 'string' && item.content instanceof Y.ContentString ? what.replace(/[\ud800-\udfff]/, '\ufffd') : what instanceof Y.AbstractType ? `a ${what.constructor.name}` : 'a value'
      yield { client: item.id.client, clock: item.id.clock + i, isThere: !item.deleted, told }
    }
  }
}

/** What one author did since an entry is undone, and nothing else: in each root's list what they typed is gone, what they deleted is back. */
function checkAlone (history, people, entries, authors, restore) {
  const [to, { name, doc: { clientID } }] = [below(entries.length), one(people)]
  const since = document(entries.slice(0, to), false).store.clients.get(clientID)?.reduce((end, { id, length }) => Math.max(end, id.clock + length), 0) ?? 0
  const doc = document([], false)
  const gone = new Map()
  entries.forEach((update, i) => {
    Y.applyUpdate(doc, update)
    for (const [root] of roots) for (const { client, clock, isThere } of listOf(doc.get(root))) if (!isThere && !gone.has(`${client}:${clock}`)) gone.set(`${client}:${clock}`, i)
  })
  const expected = roots.map(([root]) => [...listOf(doc.get(root))].filter(({ client, clock, isThere }) => {
    const isOwn = client === clientID && clock >= since
    const deletedAt = gone.get(`${client}:${clock}`)
    return !isOwn && (isThere || (deletedAt >= to && authors[deletedAt] === name))
  }))
  const update = restore(to, name)
  if (update) Y.applyUpdate(doc, update)
  roots.forEach(([root], i) => {
    const are = [...listOf(doc.get(root))].filter(({ isThere }) => isThere)
    const same = are.length === expected[i].length && expected[i].every(({ client, clock, isThere, told }, at) => told === are[at].told && (!isThere || (client === are[at].client && clock === are[at].clock)))
    if (!same) wrong('one author is undone otherwise', { history, root, to, name, are, expected: expected[i] })
  })
  seen.alone++
}

for (let history = 0; history < histories; history++) {
  ask({ op: 'new', gc: random() < 0.5 })
  ask({ op: 'timeline', segment: 1 + below(30) })
  const people = [1, 2].map((client) => {
    const doc = new Y.Doc()
    doc.clientID = client + 3 * below(2 ** 30)
    for (const [name, kind] of roots) doc.get(name, kind)
    const undo = new Y.UndoManager(roots.map(([name, kind]) => doc.get(name, kind)), { captureTimeout: 0 })
    return { doc, undo, name: `user${client}`, inbox: [] }
  })
  const entries = []
  const authors = []
  const enter = (update, author, key) => {
    const { news, lacking, refused } = ask({ op: 'apply', update: encode(update) })
    if (refused || lacking) wrong('an edit does not join', { history, refused, update: encode(update) })
    if (!news) return
    entries.push(decode(news))
    authors.push(author)
    ask({ op: 'entry', update: news, author, key, at: 1000 * entries.length })
  }
  for (const person of people) {
    person.doc.on('update', (update, origin) => {
      if (origin === 'net') return
      enter(update, person.name)
      for (const other of people) if (other !== person) other.inbox.push(update)
    })
  }
  for (let step = 0; step < steps; step++) {
    const person = one(people)
    if (random() < 0.3) for (const update of person.inbox.splice(0, below(person.inbox.length + 1))) Y.applyUpdate(person.doc, update, 'net')
    else person.doc.transact(() => { for (let i = 0; i < 1 + below(3); i++) type(person) })
  }
  const restore = (to, name) => {
    const clients = Object.fromEntries(people.map(({ doc, name }) => [doc.clientID, name]))
    const answer = ask({ op: 'restore', to, by: name, clients })
    if (answer.error) wrong('no restore', { history, to, error: answer.error })
    return answer.update && decode(answer.update)
  }
  for (let i = 0; i < 3; i++) checkAlone(history, people, entries, authors, restore)
  for (const to of [below(entries.length + 1), below(entries.length + 1)]) {
    const before = document(entries)
    const update = restore(to)
    const head = entries.length
    if (update === null) {
      if (show(before) !== show(document(entries.slice(0, to)))) wrong('nothing is restored', { history, to })
      continue
    }
    if (encode(restore(to)) !== encode(update)) wrong('the bytes differ', { history, to })
    ask({ op: 'reopen' })
    if (encode(restore(to)) !== encode(update)) wrong('the bytes differ after a restart', { history, to })
    // Somebody types meanwhile.
    const other = document(entries)
    other.clientID = 7
    other.getText('text').insert(below(other.getText('text').length + 1), 'MEANWHILE')
    const typed = Y.encodeStateAsUpdate(other, Y.encodeStateVector(before))
    enter(update, 'restorer', `restore:${to}:${head}:`)
    const after = document(entries)
    const then = document(entries.slice(0, to))
    if (show(after) !== show(then)) wrong('it is not as it was', { history, to, head, a: show(after), b: show(then), update: encode(update) })
    seen.restored++
    const [one, two] = [document([...entries, typed]), document([...entries.slice(0, head), typed, entries[head]])]
    if (show(one) !== show(two)) wrong('people differ', { history, to })
    if (!one.getText('text').toString().includes('MEANWHILE')) wrong('what was typed meanwhile is gone', { history, to })
    seen.concurrent++
    const ids = (doc) => { const all = new Map(); for (let item = doc.getText('text')._start; item !== null; item = item.right) if (!item.deleted) for (let i = 0; i < item.length; i++) all.set(`${item.id.client}:${item.id.clock + i}`, true); return all }
    const [were, are] = [ids(before), ids(after)]
    for (const id of ids(then).keys()) if (were.has(id) && !are.has(id)) wrong('an untouched letter has another id', { history, to, id })
    seen.untouched++
    if (restore(to) !== null) wrong('the second time changes something', { history, to, update: encode(restore(to)) })
    seen.twice++
    const back = restore(head)
    if (back !== null) enter(back, 'restorer', `restore:${head}:${entries.length}:`)
    if (show(document(entries)) !== show(before)) wrong('there is no way back', { history, to, a: show(document(entries)), b: show(before) })
    seen.back++
  }
  seen.histories++
}
{
  // One big deletion costs what it is long, in one block.
  ask({ op: 'new' })
  ask({ op: 'timeline', segment: 2048 })
  const doc = new Y.Doc()
  let n = 0
  doc.on('update', (update) => ask({ op: 'entry', update: encode(update), author: 'ada', at: ++n }))
  const text = doc.getText('text')
  for (let i = 0; i < 5000; i++) text.insert(i, 'x')
  text.delete(0, 5000)
  const update = decode(ask({ op: 'restore', to: n - 1 }).update)
  if (update.length > 5100 || Y.decodeUpdate(update).structs.length !== 1) wrong('a large restore', { bytes: update.length })
  seen.large++
}
{
  // What one author did goes, and what others did stays.
  ask({ op: 'new' })
  ask({ op: 'timeline', segment: 2048 })
  const [ada, bob] = [1, 2].map((client) => { const doc = new Y.Doc(); doc.clientID = client; return doc })
  let n = 0
  for (const [doc, author, other] of [[ada, 'ada', bob], [bob, 'bob', ada]]) {
    doc.on('update', (update, origin) => {
      if (origin === 'net') return
      ask({ op: 'entry', update: encode(update), author, at: ++n })
      Y.applyUpdate(other, update, 'net')
    })
  }
  ada.getText('text').insert(0, 'The quick fox')
  bob.getText('text').insert(4, 'very ')
  ada.getMap('map').set('k', 'ada')
  bob.getText('text').delete(9, 6)
  bob.getMap('map').set('k', 'bob')
  ada.getText('text').insert(0, '> ')
  const { update, inserted, deleted } = ask({ op: 'restore', to: 1, by: 'bob', clients: { 1: 'ada', 2: 'bob' } })
  Y.applyUpdate(ada, decode(update))
  if (ada.getText('text').toString() !== '> The quick fox' || ada.getMap('map').get('k') !== 'ada' || inserted !== 6 || deleted !== 5) wrong('one author', { text: ada.getText('text').toString(), k: ada.getMap('map').get('k'), inserted, deleted })
  seen.authors++
}
{
  // Traps 15 and 18: who deleted something presses Undo after it came back, so it stands twice, for all alike; the state before that is one
  // restore away. And what points at untouched text goes on pointing at it.
  ask({ op: 'new' })
  ask({ op: 'timeline', segment: 2048 })
  const [ada, bob] = [1, 2].map((client) => { const doc = new Y.Doc(); doc.clientID = client; return doc })
  let n = 0
  for (const [doc, author, other] of [[ada, 'ada', bob], [bob, 'bob', ada]]) {
    doc.on('update', (update, origin) => {
      if (origin === 'net') return
      ask({ op: 'entry', update: encode(update), author, at: ++n })
      Y.applyUpdate(other, update, 'net')
    })
  }
  const goBack = (to) => {
    const update = ask({ op: 'restore', to }).update
    ask({ op: 'entry', update, author: 'carol', key: `restore:${to}:head:${n}`, at: ++n })
    for (const doc of [ada, bob]) Y.applyUpdate(doc, decode(update), 'net')
  }
  const texts = () => [ada, bob].map((doc) => doc.getText('text').toString())
  ada.getText('text').insert(0, 'one two three')
  const undo = new Y.UndoManager(bob.getText('text'), { captureTimeout: 0 })
  const anchor = Y.createRelativePositionFromTypeIndex(ada.getText('text'), 8)
  bob.getText('text').delete(4, 4)
  goBack(1)
  if (texts().some((text) => text !== 'one two three')) wrong('it does not come back', { texts: texts() })
  const restored = n
  undo.undo()
  if (texts()[0] !== texts()[1] || texts()[0].split('two ').length !== 3) wrong('an undo after a restore', { texts: texts() })
  goBack(restored)
  if (texts().some((text) => text !== 'one two three')) wrong('the state before is not one restore away', { texts: texts() })
  for (const doc of [ada, bob]) {
    const { index } = Y.createAbsolutePositionFromRelativePosition(anchor, doc)
    if (doc.getText('text').toString().slice(index) !== 'three') wrong('an anchor moved', { index })
  }
  seen.undone++
}
say({ end: 'right', seen })
