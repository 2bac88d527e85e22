import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Page } from '../client/dist/history/page.js'
import { blocksOf, plainTextOf, Timeline } from '../client/tutti-history.js'

/** Ada writes "one two", Bob puts a line end before "two", and Ada deletes "one". */
const text = () => new Timeline({
  room: 'docs/plan', seq: 9, root: 'content', kind: 'text', authors: ['ada', 'bob'],
  edits: { count: 3, seq: [2, 3, 2, 9, 0, 1], at: [1_000, 10, 20], by: [0, 1, 2, 0, 0, 1] },
  units: { text: 'one \ntwo', inserted: [1, 0, 4, 2, 0, 1, 1, 0, 3], deleted: [3, 0, 3, 0, 0, 5], by: [0, 0, 4, 1, 0, 1, 0, 0, 3] },
  nodes: [], moved: [], pairs: []
})

/** A paragraph that says "Hi", made a heading, whose "Hi" becomes bold; a list item behind it that is deleted again. */
const xml = () => new Timeline({
  room: 'docs/plan', seq: 4, root: 'default', kind: 'xml', authors: ['ada'],
  edits: { count: 4, seq: [1, 1, 4], at: [0, 1, 1, 1], by: [0, 0, 4] },
  units: {
    text: '\ufffc\ufffc\ufffcHi\ufffc\ufffc\ufffc\ufffc\ufffcgone',
    inserted: [1, 0, 2, 3, 0, 1, 1, 0, 2, 3, 0, 1, 1, 0, 1, 2, 0, 1, 1, 0, 6],
    deleted: [0, 0, 6, 2, 0, 1, 0, 0, 1, 2, 0, 1, 0, 0, 5], by: [0, 0, 14]
  },
  nodes: [
    { kind: 'element', at: 0, end: 8, name: 'heading' },
    { kind: 'text', at: 1, end: 6 },
    { kind: 'mark', at: 2, key: 'bold', value: {} },
    { kind: 'mark', at: 5, key: 'bold', value: null },
    { kind: 'attribute', at: 6, key: 'level', value: 1 },
    { kind: 'attribute', at: 7, key: 'level', value: 2 },
    { kind: 'element', at: 8, end: 14, name: 'listItem' },
    { kind: 'text', at: 9, end: 14 }
  ],
  moved: [], pairs: []
})

const runsOf = (block) => block.children.flatMap((part) => 'text' in part ? [part] : runsOf(part))
const told = (blocks) => blocks.map((block) => runsOf(block).map(({ text, by, presence }) => [text, by, presence]))

test('a text is shown as it was after each edit, by its lines and their authors', () => {
  const timeline = text()
  assert.deepEqual([0, 1, 2, 3].map((edit) => plainTextOf(blocksOf(timeline, edit))), ['', 'one two', 'one \ntwo', ' \ntwo'])
  assert.deepEqual(told(blocksOf(timeline, 2)), [[['one ', 0, 'both']], [['two', 0, 'both']]])
  assert.deepEqual(blocksOf(timeline, 1)[0].children.map(({ unit, isNew }) => [unit, isNew]), [[0, true]])
})

test('a comparison has what came and what went, also line ends', () => {
  const timeline = text()
  assert.deepEqual(told(blocksOf(timeline, 3, 1)), [
    [['one', 0, 'before'], [' ', 0, 'both'], ['¶', 1, 'after']], [['two', 0, 'both']]
  ])
  assert.deepEqual(told(blocksOf(timeline, 1, 0)), [[['one two', 0, 'after']]])
  assert.deepEqual(told(blocksOf(timeline, 1, 1)), [[['one two', 0, 'both']]])
})

test('a pair that somebody typed into is whole until then', () => {
  // Ada writes two faces, Bob puts a dash into the second, and Ada deletes what is left of that.
  const timeline = new Timeline({
    room: 'docs/plan', seq: 3, root: 'content', kind: 'text', authors: ['ada', 'bob'],
    edits: { count: 3, seq: [1, 1, 3], at: [0, 1, 1], by: [0, 1, 2, 0, 0, 1] },
    units: { text: '😀\ufffd-\ufffd!', inserted: [1, 0, 3, 2, 0, 1, 1, 0, 2], deleted: [0, 0, 4, 3, 0, 1, 0, 0, 1], by: [0, 0, 3, 1, 0, 1, 0, 0, 2] },
    nodes: [], moved: [], pairs: [[2, 4, 0x1f600, 2]]
  })
  assert.deepEqual([1, 2, 3].map((edit) => plainTextOf(blocksOf(timeline, edit))), ['😀😀!', '😀\ufffd-\ufffd!', '😀\ufffd-!'])
  assert.deepEqual(told(blocksOf(timeline, 1, 0)), [[['😀😀!', 0, 'after']]])
})

test('a paragraph that becomes a heading has its text as before', () => {
  // Ada writes two paragraphs; Bob makes the first one a heading and adds a word to it, which writes it anew.
  const timeline = new Timeline({
    room: 'docs/plan', seq: 2, root: 'default', kind: 'xml', authors: ['ada', 'bob'],
    edits: { count: 2, seq: [1, 1, 2], at: [0, 1], by: [0, 1, 2] },
    units: {
      text: '\ufffc\ufffcTitle\ufffc\ufffc\ufffcTitle!\ufffc\ufffcText', inserted: [1, 0, 7, 2, 0, 9, 1, 0, 6],
      deleted: [2, 0, 7, 0, 0, 15], by: [0, 0, 10, 0, 0, 5, 1, 0, 1, 0, 0, 6]
    },
    nodes: [
      { kind: 'element', at: 0, end: 7, name: 'paragraph' }, { kind: 'text', at: 1, end: 7 },
      { kind: 'element', at: 7, end: 16, name: 'heading' }, { kind: 'attribute', at: 8, key: 'level', value: 2 }, { kind: 'text', at: 9, end: 16 },
      { kind: 'element', at: 16, end: 22, name: 'paragraph' }, { kind: 'text', at: 17, end: 22 }
    ],
    moved: [[10, 2, 5]], pairs: []
  })
  const shown = blocksOf(timeline, 2, 1).map((block) => [block.tag, block.presence, block.isChanged, runsOf(block).map(({ text, presence }) => [text, presence])])
  assert.deepEqual(shown, [['h2', 'after', false, [['Title', 'both'], ['!', 'after']]], ['p', 'both', false, [['Text', 'both']]]])
  assert.deepEqual(told(blocksOf(timeline, 1)), [[['Title', 0, 'both']], [['Text', 0, 'both']]])
})

test('moments, entries and edits lead to each other', () => {
  const timeline = text()
  assert.deepEqual([0, 1, 2, 3].map((edit) => timeline.seqOf(edit)), [0, 2, 5, 9])
  assert.deepEqual([0, 1, 2, 4, 5, 8, 9, 99].map((seq) => timeline.editAt(seq)), [0, 0, 1, 1, 2, 2, 3, 3])
  assert.deepEqual([0, 1, 3].map((edit) => timeline.timeOf(edit)), [1_000, 1_000, 1_030])
  assert.deepEqual([0, 1, 2].map((edit) => timeline.editorOf(edit)), [undefined, 'ada', 'bob'])
})

test('elements, attributes and formats are as they were', () => {
  const timeline = xml()
  const looks = (edit) => blocksOf(timeline, edit).map(({ tag, children }) => [tag, children.map(({ text, formats }) => [text, formats])])
  assert.deepEqual(looks(0), [])
  // What lies in an element that is gone is gone with it, whether or not an edit says so.
  assert.deepEqual(looks(1), [['h1', [['Hi', []]]], ['li', [['gone', []]]]])
  assert.deepEqual(looks(2), [['h2', [['Hi', []]]]])
  assert.deepEqual(looks(3), [['h2', [['Hi', ['bold']]]]])
})

test('a comparison tells changed attributes and formats, and elements that came or went', () => {
  const timeline = xml()
  const compared = (at, before) => blocksOf(timeline, at, before).map((block) =>
    [block.tag, block.presence, block.isChanged, runsOf(block).map(({ text, presence, isChanged }) => [text, presence, isChanged])])
  assert.deepEqual(compared(3, 1), [
    ['h2', 'both', true, [['Hi', 'both', true]]], ['li', 'before', false, [['gone', 'before', false]]]
  ])
  assert.deepEqual(compared(3, 2), [['h2', 'both', false, [['Hi', 'both', true]]]])
})

test('a history without edits is an empty page', () => {
  const timeline = new Timeline({
    room: 'docs/plan', seq: 0, root: null, kind: 'text', authors: [], edits: { count: 0, seq: [], at: [], by: [] },
    units: { text: '', inserted: [], deleted: [], by: [] }, nodes: [], moved: [], pairs: []
  })
  assert.equal(plainTextOf(blocksOf(timeline, 0)), '')
  assert.deepEqual([timeline.count, timeline.seqOf(0), timeline.timeOf(0), timeline.editAt(7)], [0, 0, 0, 0])
})

test('a line of more runs than a call may have arguments is drawn', (t) => {
  /** As much of an element as the page needs. */
  class FakeElement {
    children = []
    nextSibling = null
    parentNode = null
    setAttribute () {}
    append (...added) { this.children.push(...added) }
    insertBefore (node) { this.children.push(node) }
  }
  globalThis.document = { createElement: () => new FakeElement() }
  t.after(() => { delete globalThis.document })
  const page = new Page(new FakeElement())
  const run = (unit) => ({ text: 'x', by: unit % 2, unit, presence: 'both', formats: [], isChanged: false, isNew: false })
  page.show([{ tag: 'div', presence: 'both', isChanged: false, children: Array.from({ length: 200_000 }, (_, unit) => run(unit)) }])
  assert.equal(page.element.children[0].children.length, 200_000)
})
