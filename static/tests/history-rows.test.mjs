import assert from 'node:assert/strict'
import { test } from 'node:test'
import { joinRows, rowsOf } from '../demo/history-rows.js'

/** Entries from `[author, second]` pairs, numbered from `firstSeq`. */
const entries = (pairs, firstSeq = 1) => pairs.map(([author, second], index) =>
  ({ seq: firstSeq + index, author, at: new Date(second * 1000).toISOString() }))
const brief = (rows) => rows.map(({ author, fromSeq, toSeq, edits }) => `${author} ${fromSeq}-${toSeq} ×${edits}`)

test('consecutive edits of one author are one row', () => {
  assert.deepEqual(brief(rowsOf(entries([['a', 0], ['a', 10], ['b', 11], ['a', 12]]))), ['a 1-2 ×2', 'b 3-3 ×1', 'a 4-4 ×1'])
})

test('a pause of more than a minute begins a new row', () => {
  assert.deepEqual(brief(rowsOf(entries([['a', 0], ['a', 60], ['a', 120]]))), ['a 1-3 ×3'])
  assert.deepEqual(brief(rowsOf(entries([['a', 0], ['a', 60.001]]))), ['a 1-1 ×1', 'a 2-2 ×1'])
})

test('a row spans from its first edit to its last', () => {
  const [{ fromMs, toMs }] = rowsOf(entries([['a', 5], ['a', 30]]))
  assert.deepEqual([fromMs, toMs], [5_000, 30_000])
})

test('pages joined anywhere give the rows of the whole', () => {
  const pairs = [['a', 0], ['a', 20], ['a', 100], ['b', 101], ['b', 130], ['a', 131]]
  const whole = rowsOf(entries(pairs))
  for (let cut = 0; cut <= pairs.length; cut++) {
    assert.deepEqual(joinRows(rowsOf(entries(pairs.slice(0, cut))), rowsOf(entries(pairs.slice(cut), cut + 1))), whole)
  }
})
