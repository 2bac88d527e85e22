// Yjs 13 judges what the server writes into documents: random documents are to become random others, by the whole content or by
// operations. What is shown then must be exactly that, on top of what somebody types at the same time.
//
//   node rewrites.mjs SEED ROUNDS

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { ask, decode, encode, say } from './pipe.mjs'
import { chance } from './typist.mjs'

const require = createRequire(new URL('../clients/package.json', import.meta.url))
const Y = require('yjs')
const { yXmlFragmentToProsemirrorJSON } = require('y-prosemirror')

const seed = Number(process.argv[2] ?? 1)
const rounds = Number(process.argv[3] ?? 100)
const { random, below, one } = chance(seed)

const seen = { texts: 0, values: 0, shared: 0, nodes: 0, operations: 0, concurrent: 0, unchanged: 0, refused: 0 }
function wrong (what, details) {
  say({ end: 'wrong', what, seed, ...details })
  process.exit(1)
}
const same = (a, b) => {
  try {
    assert.deepStrictEqual(a, b)
    return true
  } catch {
    return false
  }
}

const WORDS = ['a', 'bc', 'def ', 'ü', '😀', 'x😀y', '日本\n', '\n', 'longer words\n', 'line\nline\n']
const word = () => one(WORDS)
const many = (n, make) => Array.from({ length: n }, (_, i) => make(i))
let clients = 1000
const fresh = () => (clients += 1 + below(5))

function docOf (update) {
  const doc = new Y.Doc()
  doc.clientID = fresh()
  if (update) Y.applyUpdate(doc, update)
  return doc
}

/** A document that several people made, each a part of it at the same time. */
function history (act, steps = 1 + below(25)) {
  const people = many(3, () => docOf())
  for (let step = 0; step < steps; step++) {
    act(one(people))
    if (random() < 0.3) Y.applyUpdate(one(people), Y.encodeStateAsUpdate(one(people)))
  }
  for (const person of people) Y.applyUpdate(people[0], Y.encodeStateAsUpdate(person))
  return Y.encodeStateAsUpdate(people[0])
}

/** Applies what the server wrote to `old`, and to somebody's who types meanwhile; both documents. */
function written (old, question, details, meanwhile) {
  const answer = ask({ ...question, update: encode(old), client: fresh() })
  if (answer.refused) wrong('the server refuses', { ...details, refused: answer.refused, old: encode(old) })
  const doc = docOf(old)
  if (answer.update) Y.applyUpdate(doc, decode(answer.update))
  else seen.unchanged++
  if (doc.store.pendingStructs || doc.store.pendingDs) wrong('what is written is incomplete', { ...details, old: encode(old) })
  const other = docOf(old)
  if (meanwhile) {
    const before = Y.encodeStateVector(other)
    other.transact(() => meanwhile(other))
    const typed = Y.encodeStateAsUpdate(other, before)
    if (answer.update) Y.applyUpdate(other, decode(answer.update))
    const both = docOf(Y.encodeStateAsUpdate(doc))
    Y.applyUpdate(both, typed)
    if (!same(Y.encodeStateVector(both), Y.encodeStateVector(other))) wrong('they part', details)
    seen.concurrent++
    return { doc, both, other, update: answer.update }
  }
  return { doc, update: answer.update }
}

/** Another text: parts of the old one, and others. */
function varied (text) {
  const parts = [...text]
  for (let i = 0; i < 1 + below(5); i++) {
    const at = below(parts.length + 1)
    if (random() < 0.5) parts.splice(at, below(8)); else parts.splice(at, 0, ...many(1 + below(3), word))
  }
  return parts.join('')
}

function textRound () {
  const old = history((doc) => {
    const text = doc.getText('t')
    const at = below(text.length + 1)
    const length = Math.min(text.length - at, 1 + below(6))
    switch (below(6)) {
      case 0: if (length) text.delete(at, length); break
      case 1: if (length) text.format(at, length, one([{ bold: true }, { bold: null }, { link: { href: 'x' } }])); break
      case 2: text.insertEmbed(at, { image: 'x' }); break
      default: text.insert(at, word())
    }
  })
  const before = docOf(old).getText('t').toString()
  const wanted = random() < 0.1 ? before : varied(random() < 0.2 ? '' : before)
  const question = { op: 'rewrite', text: { root: 't', text: wanted } }
  const details = { before, wanted }
  const { doc, both, other, update } = written(old, question, details, (doc) => doc.getText('t').insert(below(doc.getText('t').length + 1), '§'))
  if (doc.getText('t').toString() !== wanted) wrong('a text is another', { ...details, shown: doc.getText('t').toString(), old: encode(old) })
  if (before === wanted && update) wrong('nothing was to be changed', details)
  const shown = both.getText('t').toString()
  if (other.getText('t').toString() !== shown) wrong('they part', details)
  // Looking between the halves of a character makes two of it.
  if (shown.replace('§', '') !== wanted && !shown.includes('\ufffd')) wrong('typing is lost', { ...details, shown })
  seen.texts++
}

const plain = (depth = 2) => one([() => below(100), () => -0.5, () => true, () => null, () => word(), () => 2 ** 40, () => depth ? many(below(3), () => plain(depth - 1)) : 'x', () => depth ? Object.fromEntries(many(below(3), () => [`k${below(3)}`, plain(depth - 1)])) : {}])()
const type = () => one([() => new Y.Map([['id', below(5)], ['v', plain()]]), () => Y.Array.from([1, 'two']), () => new Y.Text(word())])()

/** Another value: much of it as it was. */
function variedValue (value, depth = 4) {
  if (random() < 0.15 || depth === 0) return plain()
  if (Array.isArray(value)) {
    const list = value.map((inner) => (random() < 0.3 ? variedValue(inner, depth - 1) : inner))
    if (random() < 0.4) list.splice(below(list.length + 1), below(3), ...many(below(3), () => plain()))
    return list
  }
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).filter(() => random() < 0.85).map(([key, inner]) => [key, random() < 0.3 ? variedValue(inner, depth - 1) : inner])
    if (random() < 0.4) entries.push([`k${below(6)}`, plain()])
    return Object.fromEntries(entries)
  }
  return typeof value === 'string' ? varied(value) : value
}

function valuesRound () {
  const typesIn = (doc) => {
    const found = [doc.getMap('m'), doc.getArray('l')]
    for (const type of found) for (const inner of type instanceof Y.Map ? type.values() : type.toArray()) if (inner instanceof Y.Map || inner instanceof Y.Array) found.push(inner)
    return found
  }
  const old = history((doc) => {
    const into = one(typesIn(doc))
    const value = random() < 0.4 ? type() : plain()
    if (into instanceof Y.Map) { if (random() < 0.8) into.set(`k${below(5)}`, value); else into.delete(`k${below(5)}`) } else if (random() < 0.75) into.insert(below(into.length + 1), [value]); else if (into.length) into.delete(below(into.length), 1)
  })
  const docBefore = docOf(old)
  const before = { m: docBefore.getMap('m').toJSON(), l: docBefore.getArray('l').toJSON() }
  const wanted = random() < 0.1
    ? before
    : Object.fromEntries(Object.entries(before).map(([name, value]) => { const other = variedValue(value); return [name, Array.isArray(other) === Array.isArray(value) && typeof other === 'object' && other ? other : value] }))
  const nested = one(['as-beside', 'plain', 'shared'])
  const details = { before, wanted, nested }
  const { doc, both, other, update } = written(old, { op: 'rewrite', json: { roots: JSON.stringify(wanted), nested } }, details, (doc) => doc.getArray('l').push(['§']))
  const shown = { m: doc.getMap('m').toJSON(), l: doc.getArray('l').toJSON() }
  if (!same(shown, wanted)) wrong('values are others', { ...details, shown, old: encode(old) })
  if (same(before, wanted) && update) wrong('nothing was to be changed', details)
  const list = both.getArray('l').toJSON()
  if (!same(other.getArray('l').toJSON(), list) || !same(list.filter((value) => value !== '§'), wanted.l) || !list.includes('§')) wrong('an insertion is lost', { ...details, list, old: encode(old) })
  if (typesIn(doc).length > 2) seen.shared++
  seen.values++
}

const MARKS = [{ type: 'bold' }, { type: 'link', attrs: { href: 'x', target: null } }, { type: 'link', attrs: { href: 'y', target: null } }, { type: 'comment', attrs: { id: 1 } }, { type: 'comment', attrs: { id: 2 } }]
const textNode = () => {
  const kinds = new Set()
  // Comments may overlap.
  const marks = MARKS.filter((mark) => random() < 0.2 && (mark.type === 'comment' || (!kinds.has(mark.type) && kinds.add(mark.type))))
  return { type: 'text', text: word(), ...(marks.length ? { marks } : {}) }
}
const node = (depth = 2) => {
  const content = depth ? many(below(4), () => (random() < 0.6 ? textNode() : node(depth - 1))) : []
  return { type: one(['paragraph', 'heading', 'quote', 'image']), ...(random() < 0.4 ? { attrs: { level: below(3), align: one([null, 'left']) } } : {}), ...(content.length ? { content } : {}) }
}
const document = (content) => ({ type: 'doc', content })
function variedNode (old, depth = 3) {
  if (old.type === 'text') return random() < 0.6 ? { ...old, text: varied(old.text) || 'x' } : textNode()
  if (old.type !== 'doc' && random() < 0.1) return node()
  let content = (old.content ?? []).map((inner) => (random() < 0.3 ? variedNode(inner, depth - 1) : inner))
  if (random() < 0.3) content.splice(below(content.length + 1), below(2), ...many(below(2), () => (old.type === 'doc' || random() < 0.5 ? node(1) : textNode())))
  if (old.type === 'doc') content = content.filter(({ type }) => type !== 'text')
  const attrs = old.type !== 'doc' && random() < 0.2 ? { level: below(3) } : old.attrs
  return { type: old.type, ...(attrs ? { attrs } : {}), ...(content.length ? { content } : {}) }
}

/** What it shows: without what shows nothing. */
function normal (node) {
  if (node.type === 'text') {
    const marks = (node.marks ?? []).map(({ type, attrs }) => ({ type, attrs: attrs ?? {} })).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
    return { type: 'text', text: node.text, marks }
  }
  const content = []
  for (const inner of (node.content ?? []).flat().map(normal)) {
    const last = content.at(-1)
    if (inner.type === 'text' && last?.type === 'text' && same(last.marks, inner.marks)) last.text += inner.text
    else if (inner.type !== 'text' || inner.text) content.push(inner)
  }
  const attrs = Object.fromEntries(Object.entries(node.attrs ?? {}).filter(([, value]) => value !== null))
  return { type: node.type, attrs, content }
}
const prosemirror = (doc) => {
  const shown = yXmlFragmentToProsemirrorJSON(doc.getXmlFragment('x'))
  return normal(shown)
}

function nodesRound () {
  // The server's own first writing, which people then edit.
  const first = document(many(below(5), () => node()))
  const base = written(Y.encodeStateAsUpdate(docOf()), { op: 'rewrite', prosemirror: { root: 'x', document: JSON.stringify(first) } }, { first })
  if (!same(prosemirror(base.doc), normal(first))) wrong('a new document is another', { first, shown: prosemirror(base.doc) })
  const people = many(2, () => docOf(Y.encodeStateAsUpdate(base.doc)))
  for (let i = 0; i < below(12); i++) {
    const person = one(people)
    const all = []
    const visit = (type) => { all.push(type); if (!(type instanceof Y.XmlText)) type.toArray().forEach(visit) }
    visit(person.getXmlFragment('x'))
    const into = one(all)
    if (into instanceof Y.XmlText) {
      const at = below(into.length + 1)
      if (random() < 0.5) into.insert(at, word()); else if (into.length > at) { if (random() < 0.5) into.delete(at, 1 + below(into.length - at)); else into.format(at, 1 + below(into.length - at), one([{ bold: {} }, { bold: null }])) }
    } else if (random() < 0.7) into.insert(below(into.length + 1), [random() < 0.5 && into !== all[0] ? new Y.XmlText(word()) : new Y.XmlElement('paragraph')])
    else if (into.length) into.delete(below(into.length), 1)
  }
  Y.applyUpdate(people[0], Y.encodeStateAsUpdate(people[1]))
  const old = Y.encodeStateAsUpdate(people[0])
  const before = prosemirror(docOf(old))
  const wanted = random() < 0.1 ? before : variedNode(before)
  const details = { before, wanted }
  const { doc, update } = written(old, { op: 'rewrite', prosemirror: { root: 'x', document: JSON.stringify(wanted) } }, details, (doc) => doc.getXmlFragment('x').insert(0, [new Y.XmlElement('mark')]))
  if (!same(prosemirror(doc), normal(wanted))) wrong('nodes are others', { ...details, shown: prosemirror(doc), old: encode(old) })
  // What is there shows the same if nothing was to be changed; texts side by side may become one.
  if (update) {
    const again = ask({ op: 'rewrite', prosemirror: { root: 'x', document: JSON.stringify(wanted) }, update: encode(Y.encodeStateAsUpdate(doc)), client: fresh() })
    if (again.update || again.refused) wrong('what is written is not what is read', { ...details, again, state: encode(Y.encodeStateAsUpdate(doc)) })
  }
  seen.nodes++
}

const lettersOf = (text) => text.toDelta().flatMap(({ insert, attributes = {} }) => [...insert].map((letter) => ({ letter, attributes })))

/** Operations that the server does, and the same ones done with Yjs. */
function operationsRound () {
  const old = history((doc) => {
    const text = doc.getText('t')
    text.insert(below(text.length + 1), one(['abc', 'def ', 'ü']))
    if (random() < 0.3) text.format(below(text.length), 1, { bold: true })
    if (random() < 0.4) doc.getArray('l').insert(below(doc.getArray('l').length + 1), [random() < 0.4 ? new Y.Map([['a', 1]]) : plain()])
    if (random() < 0.4) doc.getMap('m').set(`k${below(3)}`, random() < 0.4 ? new Y.Text('in') : plain())
  }, 12)
  const mirror = docOf(old)
  const letters = lettersOf(mirror.getText('t'))
  const operations = []
  for (let i = 0; i < 1 + below(8); i++) {
    const [list, map] = [mirror.getArray('l'), mirror.getMap('m')]
    const at = below(letters.length + 1)
    const length = Math.min(letters.length - at, below(4))
    one([
      () => { const attributes = one([undefined, {}, { bold: true }]); const typed = one(['x', 'yz']); operations.push({ op: 'insert', path: ['t'], index: at, text: typed, attributes }); const formats = attributes ?? letters[at - 1]?.attributes ?? {}; letters.splice(at, 0, ...[...typed].map((letter) => ({ letter, attributes: formats }))) },
      () => { operations.push({ op: 'delete', path: ['t'], index: at, length }); letters.splice(at, length) },
      () => { const attributes = one([{ bold: true }, { bold: null, size: 5 }]); operations.push({ op: 'format', path: ['t'], index: at, length, attributes }); for (let i = at; i < at + length; i++) letters[i] = { ...letters[i], attributes: Object.fromEntries(Object.entries({ ...letters[i].attributes, ...attributes }).filter(([, value]) => value !== null)) } },
      () => { const values = [plain(), plain()]; const index = below(list.length + 1); operations.push({ op: 'insert', path: ['l'], index, values }); list.insert(index, values) },
      () => { if (!list.length) return; const index = below(list.length); operations.push({ op: 'delete', path: ['l'], index, length: 1 }); list.delete(index, 1) },
      () => { const value = plain(); operations.push({ op: 'set', path: ['m', 'k1'], value }); map.set('k1', value) },
      () => { if (!map.has('k1')) return; operations.push({ op: 'remove', path: ['m', 'k1'] }); map.delete('k1') },
      () => { operations.push({ op: 'set', path: ['m', 'n'], value: { a: [1] }, shared: true }); const inner = new Y.Map(); inner.set('a', Y.Array.from([1])); map.set('n', inner) },
      () => { if (!(map.get('n') instanceof Y.Map)) return; operations.push({ op: 'insert', path: ['m', 'n', 'a'], index: 1, values: ['in'] }); map.get('n').get('a').insert(1, ['in']) },
      () => { const index = list.toArray().findIndex((value) => value instanceof Y.Map); if (index < 0) return; operations.push({ op: 'set', path: ['l', index, 'b'], value: i }); list.get(index).set('b', i) },
    ])()
  }
  const { doc } = written(old, { op: 'edit', operations: JSON.stringify(operations) }, { operations })
  // Of a text a model is the judge: Yjs itself may change the formats of what is beside a deletion.
  const shown = (doc) => ({ l: doc.getArray('l').toJSON(), m: doc.getMap('m').toJSON() })
  if (!same(lettersOf(doc.getText('t')), letters)) wrong('operations make another text', { operations, shown: lettersOf(doc.getText('t')), letters, old: encode(old) })
  if (!same(shown(doc), shown(mirror))) wrong('operations do another thing', { operations, shown: shown(doc), expected: shown(mirror), old: encode(old) })
  seen.operations += operations.length
}

/** What is of another shape, or is not there, is refused. */
function refusedRound () {
  const doc = docOf()
  doc.getText('t').insert(0, 'a😀')
  doc.getMap('m').set('k', 1)
  doc.getArray('l').push([1])
  doc.getXmlFragment('x').push([new Y.XmlElement('p')])
  const update = encode(Y.encodeStateAsUpdate(doc))
  const questions = [
    { op: 'rewrite', text: { root: 'm', text: '' } }, { op: 'rewrite', text: { root: 'l', text: '' } }, { op: 'rewrite', text: { root: 'x', text: '' } },
    ...['{"t":{}}', '{"t":[]}', '{"m":[]}', '{"l":{}}', '{"x":{}}', '{"x":"other"}', '{"m":""}', '{"m":null}'].map((roots) => ({ op: 'rewrite', json: { roots, nested: 'plain' } })),
    ...['{}', '{"type":"doc","content":[{}]}', '{"type":"doc","content":{}}', '{"type":"doc","content":[{"type":"text"}]}'].map((document) => ({ op: 'rewrite', prosemirror: { root: 'x', document } })),
    { op: 'rewrite', prosemirror: { root: 't', document: '{"type":"doc"}' } },
    ...[
      { op: 'insert', path: ['t'], index: 2, text: 'x' }, { op: 'insert', path: ['t'], index: 4, text: 'x' }, { op: 'delete', path: ['t'], index: 2, length: 1 },
      { op: 'delete', path: ['t'], index: 3, length: 1 }, { op: 'delete', path: ['no'], index: 0, length: 0 }, { op: 'insert', path: ['t'], index: 0, values: [] },
      { op: 'insert', path: ['t'], index: 0 }, { op: 'insert', path: ['l', 0], index: 0, values: [] }, { op: 'set', path: ['m'], value: 1 }, { op: 'set', path: ['l', 'k'], value: 1 },
      { op: 'remove', path: ['m', 'no'] }, { op: 'format', path: ['l'], index: 0, length: 1, attributes: {} }, { op: 'insert', path: [], index: 0, text: 'x' },
    ].map((operation) => ({ op: 'edit', operations: JSON.stringify([operation]) })),
  ]
  for (const question of questions) {
    const answer = ask({ ...question, update, client: 1 })
    if (!answer.refused) wrong('it is not refused', { question, answer })
    seen.refused++
  }
}

refusedRound()
for (let round = 0; round < rounds; round++) {
  textRound()
  valuesRound()
  nodesRound()
  operationsRound()
}
say({ end: 'right', seen })
