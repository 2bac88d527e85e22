import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isContinued, itemOfEntry, itemOfEvent, joinRows, namesOf, rowsOf } from '../page/timeline-rows.js'

/** Items from `[author, second, text?]`, numbered from `firstSeq`; without text they are edits. */
const items = (said, firstSeq = 1) => said.map(([user, second, text], index) =>
  ({ seq: firstSeq + index, kind: text ? 'message' : 'edit', user, ms: second * 1000, text }))
const brief = (rows) => rows.map(({ kind, users, fromSeq, toSeq, edits, text }) =>
  kind === 'edits' ? `${users.join('+')} ${fromSeq}-${toSeq} ×${edits}` : `${users[0]}: ${text}`)

test('edits without a message between them are one row, with all their authors', () => {
  assert.deepEqual(brief(rowsOf(items([['a', 0], ['a', 10], ['b', 11], ['a', 12]]))), ['a+b 1-4 ×4'])
})

test('a message stands between the edits around it', () => {
  assert.deepEqual(brief(rowsOf(items([['a', 0], ['b', 1, 'hi'], ['a', 2], ['a', 3]]))), ['a 1-1 ×1', 'b: hi', 'a 3-4 ×2'])
})

test('a pause of more than a minute begins a new row', () => {
  assert.deepEqual(brief(rowsOf(items([['a', 0], ['a', 60], ['a', 120]]))), ['a 1-3 ×3'])
  assert.deepEqual(brief(rowsOf(items([['a', 0], ['a', 60.001]]))), ['a 1-1 ×1', 'a 2-2 ×1'])
})

test('a row spans from its first edit to its last', () => {
  const [{ fromMs, toMs }] = rowsOf(items([['a', 5], ['a', 30]]))
  assert.deepEqual([fromMs, toMs], [5_000, 30_000])
})

test('pages joined anywhere give the rows of the whole', () => {
  const said = [['a', 0], ['b', 20], ['a', 100], ['b', 101, 'so?'], ['b', 130, 'yes'], ['a', 131], ['a', 132]]
  const whole = rowsOf(items(said))
  for (let cut = 0; cut <= said.length; cut++) {
    assert.deepEqual(joinRows(rowsOf(items(said.slice(0, cut))), rowsOf(items(said.slice(cut), cut + 1))), whole)
  }
})

test('a message goes on from the one before in one breath', () => {
  const [first, soon, other, late] = rowsOf(items([['a', 0, '1'], ['a', 180, '2'], ['b', 181, '3'], ['b', 361.001, '4']]))
  assert.deepEqual([isContinued(first, undefined), isContinued(soon, first), isContinued(other, soon), isContinued(late, other)], [false, true, false, false])
})

test('an entry reads alike from REST and from the socket', () => {
  const at = '2026-11-21T14:02:00.000Z'
  assert.deepEqual(
    itemOfEntry({ seq: 3, kind: 'message', author: 'Ada~1', at, body: { type: 'chat.message', name: 'Ada', text: 'hi', payload: { id: 'k' } } }),
    itemOfEvent('message', { type: 'chat.message', room: 'r', seq: 3, user: 'Ada~1', name: 'Ada', timestamp: at, text: 'hi', payload: { id: 'k' } }))
  assert.equal(itemOfEntry({ seq: 4, kind: 'step', author: 'Ada~1', at }).kind, 'edit')
  assert.equal(itemOfEvent('message', { payload: { id: { a: 1 } } }).id, undefined)
})

test('names read as a sentence begins', () => {
  assert.equal(namesOf(['Ada~1'], 'Bob~2'), 'Ada')
  assert.equal(namesOf(['Bob~2'], 'Bob~2'), 'You')
  assert.equal(namesOf(['Ada~1', 'Bob~2', 'Cy~3'], ''), 'Ada, Bob and Cy')
  assert.equal(namesOf(['Ada~1', 'Bob~2', 'Cy~3', 'Di~4'], ''), 'Ada, Bob and 2 others')
})
