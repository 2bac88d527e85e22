// `tutti/comments`: places that survive what people do to a document, and threads that are kept up with what is said. The package is
// compiled by `make demo`.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'
import { TuttiError } from '../client/dist/error.js'
import { anchorOf, finderOf, placeOf, watchComments } from '../client/dist/comments.js'

/** A text, and a thread about a part of it. */
function textWith (content, quote) {
  const doc = new Y.Doc()
  const text = doc.getText('content')
  text.insert(0, content)
  const index = content.indexOf(quote)
  const anchor = JSON.parse(JSON.stringify(anchorOf(Y, { from: { type: text, index }, to: { type: text, index: index + quote.length } })))
  /** What of the text the thread is about now. */
  const at = (thread = { anchor }) => {
    const place = placeOf(Y, doc, text, thread)
    return place && text.toString().slice(place.from.index, place.to.index)
  }
  return { doc, text, anchor, at }
}

test('an anchor stays with its characters, whatever is written around and between them', () => {
  const { text, at } = textWith('one two three', 'two')
  assert.equal(at(), 'two')
  text.insert(0, 'zero ')
  text.insert(text.length, ' four')
  assert.equal(at(), 'two')
  text.insert(text.toString().indexOf('two'), '<')
  text.insert(text.toString().indexOf('two') + 3, '>')
  assert.equal(at(), 'two', 'what is written beside it is not part of it')
  text.insert(text.toString().indexOf('wo'), 'ww')
  assert.equal(at(), 'twwwo')
  text.delete(text.toString().indexOf('twwwo'), 2)
  assert.equal(at(), 'wwo', 'what is left of it')
})

test('an anchor at the ends of a text does not grow', () => {
  const { text, at } = textWith('all', 'all')
  text.insert(0, 'before ')
  text.insert(text.length, ' after')
  assert.equal(at(), 'all')
})

test('text that is gone is said to be gone, and is there again when somebody undoes that', () => {
  const { doc, text, at } = textWith('one two three', 'two')
  const undo = new Y.UndoManager(text)
  text.delete(4, 4)
  assert.equal(at(), null)
  undo.undo()
  assert.equal(text.toString(), 'one two three')
  assert.equal(at(), 'two')
  doc.destroy()
})

test('text that was written anew is found by its quote, where the document has it exactly once', () => {
  const { text, anchor, at } = textWith('one two three', 'two')
  text.delete(0, text.length)
  text.insert(0, 'now two, and more')
  assert.equal(at(), null)
  assert.equal(at({ anchor, quote: 'two' }), 'two')
  assert.equal(at({ quote: 'two' }), 'two')
  text.insert(text.length, ' than two')
  assert.equal(at({ anchor, quote: 'two' }), null)
})

test('in XML, an anchor goes with its element, and a quote is found in any of them', () => {
  const doc = new Y.Doc()
  const root = doc.getXmlFragment('default')
  const paragraph = (content) => {
    const element = new Y.XmlElement('paragraph')
    element.insert(0, [new Y.XmlText(content)])
    return element
  }
  root.insert(0, [paragraph('one'), paragraph('two and two')])
  const [one, two] = root.toArray().map((element) => element.get(0))
  const thread = { anchor: anchorOf(Y, { from: { type: one, index: 1 }, to: { type: two, index: 3 } }), quote: 'ne\ntwo' }
  root.insert(0, [paragraph('zero')])
  assert.deepEqual(placeOf(Y, doc, root, thread), { from: { type: one, index: 1 }, to: { type: two, index: 3 } })
  root.delete(2, 1)
  assert.equal(placeOf(Y, doc, root, thread), null, 'the paragraph of its end is gone')
  root.push([paragraph('with ne in it')])
  const place = placeOf(Y, doc, root, { quote: 'th ne' })
  assert.deepEqual([place.from.index, place.to.index], [2, 7])
  assert.equal(placeOf(Y, doc, root, { quote: 'ne' }), null, 'twice')
})

test('a quote is found across paragraphs and whatever stands between them, and a document is read once for many', () => {
  const doc = new Y.Doc()
  const root = doc.getXmlFragment('default')
  const element = (name, ...children) => {
    const made = new Y.XmlElement(name)
    made.insert(0, children)
    return made
  }
  root.insert(0, [
    element('heading', new Y.XmlText('One')), element('paragraph'), element('rule'),
    element('paragraph', new Y.XmlText('two'), element('hardBreak'), new Y.XmlText('three'))
  ])
  const [one, two, three] = [root.get(0).get(0), root.get(3).get(0), root.get(3).get(2)]
  two.format(0, 2, { bold: {} })
  const find = finderOf(Y, doc, root)
  // As ProseMirror tells what is selected.
  assert.deepEqual(find({ quote: 'ne\n\n\n\uFFFC\ntwo\uFFFCth' }), { from: { type: one, index: 1 }, to: { type: three, index: 2 } })
  assert.deepEqual(find({ quote: 'two' }), { from: { type: two, index: 0 }, to: { type: two, index: 3 } })
  assert.equal(find({ quote: 'Onetwo' }), null, 'paragraphs are apart')
  assert.equal(find({ quote: '\n\uFFFC' }), null)
  let reads = 0
  const counted = { toDelta: () => { reads += 1; return [{ insert: 'some text' }] } }
  const findIn = finderOf(Y, doc, counted)
  for (const quote of ['some', 'text', 'other', '']) findIn({ quote })
  assert.equal(reads, 1)
})

test('what is no anchor of this document is no place', () => {
  const { doc, text, anchor } = textWith('one', 'one')
  const elsewhere = new Y.Doc()
  for (const wrong of [undefined, null, 1, 'x', {}, { from: 1, to: 2 }, { from: {}, to: {} }, { from: anchor.from }, { from: { item: 'x' }, to: { item: {} } }]) {
    assert.equal(placeOf(Y, doc, text, { anchor: wrong }), null, JSON.stringify(wrong))
  }
  assert.equal(placeOf(Y, elsewhere, elsewhere.getText('content'), { anchor }), null)
})

/** A room of which the test says what comes. */
function fakeRoom (pages = [], history = []) {
  const listeners = new Map()
  const published = []
  const room = {
    isJoined: true,
    asked: [],
    on: (type, listener) => {
      listeners.set(type, listener)
      return () => listeners.delete(type)
    },
    comments: async (query) => {
      room.asked.push(query.after)
      const page = pages.shift()
      if (page instanceof Error) throw page
      return page
    },
    history: async ({ after, kind }) => {
      const entries = history.filter((entry) => entry.seq > after && entry.kind === kind)
      return { entries: entries.slice(0, 2), next: entries.length > 2 ? entries[1].seq : null }
    },
    publish: async (type, payload) => { published.push([type, payload]) },
    tell: (type, event) => listeners.get(type)?.(event)
  }
  return { room, published, pages }
}
const stamp = { user: 'ada', name: 'Ada', timestamp: '2026-11-21T12:16:07.156Z' }
const event = (seq, type, payload) => ({ ...stamp, seq, type, payload })
const thread = (seq, more = {}) => ({ seq, user: 'ada', name: 'Ada', at: stamp.timestamp, text: `thread ${seq}`, replies: [], ...more })
const loaded = (comments) => new Promise((resolve) => { const stop = comments.on('change', () => { if (!comments.isLoading) resolve(stop()) }) })
const said = (comments) => [...comments.threads.values()].map(({ seq, replies, resolved }) => [seq, replies.map((reply) => reply.seq), resolved?.seq])

test('threads are read by pages, and what comes meanwhile is taken once', async () => {
  const { room } = fakeRoom([{ seq: 5, threads: [thread(1)], next: 1 }, { seq: 7, threads: [thread(4), thread(6)], next: null }])
  const comments = watchComments(room)
  room.tell('event', event(6, 'comment.created', { text: 'known by then' }))
  room.tell('event', event(8, 'comment.replied', { thread: 1, text: 'new' }))
  room.tell('event', event(8, 'order.updated', { thread: 1, text: 'no comment' }))
  await loaded(comments)
  assert.deepEqual(room.asked, [0, 1])
  assert.deepEqual(said(comments), [[1, [8], undefined], [4, [], undefined], [6, [], undefined]])
  for (const again of [1, 2]) {
    room.tell('event', event(9, 'comment.created', { text: 'live', quote: 'q', anchor: { from: {}, to: {} } }))
    room.tell('event', event(10, 'comment.resolved', { thread: 9 }))
    room.tell('event', event(11, 'comment.replied', { thread: 9, text: 'late' }))
    assert.deepEqual(said(comments).at(-1), [9, [11], 10], `${again}`)
  }
  assert.equal(comments.threads.get(9).quote, 'q')
  room.tell('event', event(12, 'comment.resolved', { thread: 9, resolved: false }))
  assert.equal(comments.threads.get(9).resolved, undefined)
  for (const wrong of [null, {}, { text: 1 }, { thread: 9 }]) {
    for (const type of ['comment.created', 'comment.replied', 'comment.other']) room.tell('event', event(13, type, wrong))
  }
  for (const type of ['comment.replied', 'comment.resolved']) room.tell('event', event(13, type, { thread: 77, text: 'x' }))
  assert.deepEqual(said(comments).at(-1), [9, [11], undefined])
  comments.stop()
  room.tell('event', event(14, 'comment.created', { text: 'x' }))
  assert.equal(comments.threads.size, 4)
})

test('what is too much for the pages comes from the history, in order and once', async () => {
  const entry = (seq, type, payload, kind = 'event') => ({ seq, kind, author: 'ada', at: stamp.timestamp, body: { type, name: 'Ada', payload } })
  const pages = [{ seq: 20, partial: true, threads: [thread(1), thread(9)], next: 9 }, { seq: 30, partial: true, threads: [], next: 30 }, { seq: 40, threads: [thread(33)], next: null }]
  const { room } = fakeRoom(pages, [
    entry(19, 'comment.replied', { thread: 1, text: 'told by the page' }), entry(21, 'comment.resolved', { thread: 9 }), entry(22, 'order.updated', {}),
    entry(31, 'comment.replied', { thread: 1, text: 'late' }), entry(32, 'chat', {}, 'message'), entry(33, 'comment.created', { text: 'thread 33' }),
    entry(39, 'comment.replied', { thread: 33, text: 'told by the page' }), entry(41, 'comment.replied', { thread: 33, text: 'later' })
  ])
  const comments = watchComments(room)
  room.tell('event', event(41, 'comment.replied', { thread: 33, text: 'later' }))
  await loaded(comments)
  assert.deepEqual(room.asked, [0, 9, 30])
  assert.deepEqual(said(comments), [[1, [31], undefined], [9, [], 21], [33, [41], undefined]])
})

test('a room without entries has no threads, a gap has them read again, and what fails is told', async () => {
  const { room, pages } = fakeRoom([new TuttiError('room_not_found', 'no room'), new TuttiError('try_later', 'later')])
  const comments = watchComments(room)
  const errors = []
  comments.on('error', (told) => errors.push(told.message))
  await loaded(comments)
  assert.deepEqual([errors, said(comments)], [[], []])
  room.tell('joined', {})
  await loaded(comments)
  assert.deepEqual(errors, ['later'])
  pages.push({ seq: 3, threads: [thread(3)], next: null })
  room.tell('gap', {})
  await loaded(comments)
  assert.deepEqual(said(comments), [[3, [], undefined]])
})

test('they are read again when something that was said is erased', async () => {
  const { room, pages } = fakeRoom([{ seq: 3, threads: [thread(3, { quote: 'secret' })], next: null }])
  const comments = watchComments(room)
  await loaded(comments)
  pages.push({ seq: 9, threads: [thread(3)], next: null })
  room.tell('erased', { seq: 8, said: false })
  assert.equal(comments.isLoading, false)
  room.tell('erased', { seq: 9, said: true })
  await loaded(comments)
  assert.equal(comments.threads.get(3).quote, undefined)
})

test('of a thread as many replies are kept as the server tells, and the others counted', async () => {
  const replies = Array.from({ length: 199 }, (_, index) => ({ ...thread(index + 2), replies: undefined }))
  const { room } = fakeRoom([{ seq: 200, threads: [thread(1, { replies })], next: null }])
  const comments = watchComments(room)
  await loaded(comments)
  for (const seq of [201, 202, 203]) room.tell('event', event(seq, 'comment.replied', { thread: 1, text: 'x' }))
  const { replies: kept, more } = comments.threads.get(1)
  assert.deepEqual([kept.length, more], [200, 2])
})

test('what is said becomes events', async () => {
  const { room, published } = fakeRoom([{ seq: 0, threads: [], next: null }])
  const comments = watchComments(room)
  await comments.create({ text: 'one', quote: 'q' })
  await comments.reply(1, 'two')
  await comments.resolve(1)
  await comments.resolve(1, false)
  assert.deepEqual(JSON.parse(JSON.stringify(published)), [
    ['comment.created', { text: 'one', quote: 'q' }],
    ['comment.replied', { thread: 1, text: 'two' }],
    ['comment.resolved', { thread: 1 }],
    ['comment.resolved', { thread: 1, resolved: false }]
  ])
})
