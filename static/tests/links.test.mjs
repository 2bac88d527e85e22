import assert from 'node:assert/strict'
import { test } from 'node:test'
import { find, tokenize } from '../tiptap/no-domains.js'

test('the addresses in a text are found, without the punctuation behind them', () => {
  const found = find('See https://a.example/x?y=1#z, or (http://b.example). Not example.com nor ftp://c.example')
  assert.deepEqual(found.map(({ value, start, end }) => [value, start, end]), [['https://a.example/x?y=1#z', 4, 29], ['http://b.example', 35, 51]])
  assert.deepEqual(find('nothing here'), [])
})

test('a text is cut into addresses and what stands between them', () => {
  const parts = (text) => tokenize(text).map((token) => token.toObject()).map(({ value, isLink }) => [value, isLink])
  assert.deepEqual(parts('https://a.example'), [['https://a.example', true]])
  assert.deepEqual(parts('(https://a.example)'), [['(', false], ['https://a.example', true], [')', false]])
  assert.deepEqual(parts('word'), [['word', false]])
  assert.deepEqual(parts(''), [])
})
