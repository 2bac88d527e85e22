import assert from 'node:assert/strict'
import { test } from 'node:test'
import { colourOf, freeColour, initialsOf, isColour } from '../page/colours.js'
import { personOf } from '../page/person.js'

test('a colour follows from the user', () => {
  assert.equal(colourOf('Ada~k3f9'), colourOf('Ada~k3f9'))
  assert.ok(isColour(colourOf('')))
})

test('a taken colour is replaced by a free one, while there are any', () => {
  const own = colourOf('Ada~k3f9')
  const other = freeColour('Ada~k3f9', new Set([own]))
  assert.notEqual(other, own)
  assert.ok(isColour(other))
  assert.equal(freeColour('Ada~k3f9', new Set(['#000000'])), own)
})

test('ten people wear ten colours', () => {
  const taken = new Set()
  for (let person = 0; person < 10; person++) taken.add(freeColour(`Ada~${person}`, taken))
  assert.equal(taken.size, 10)
  assert.ok(taken.has(freeColour('Bo~1', taken)))
})

test('a person is read as they describe themselves', () => {
  const state = { user: { name: ' Ada ', color: '#112233', user: 'Ada~k3f9' } }
  assert.deepEqual(personOf(7, state), { user: 'Ada~k3f9', name: 'Ada', colour: '#112233' })
})

test('someone whom the server stands in for is known by their user', () => {
  assert.equal(personOf(7, { user: { name: 'Bot', id: 'bot' } }).user, 'bot')
})

test('what is no name, colour or user is replaced', () => {
  for (const state of [null, 5, {}, { user: null }, { user: 'x' }, { user: { name: {}, color: 4, user: 9 } }, { user: { name: '', color: 'red;inset:0' } }]) {
    assert.deepEqual(personOf(7, state), { user: '7', name: 'Someone', colour: colourOf('7') })
  }
  assert.equal(personOf(7, { user: { name: 'Z'.repeat(9000) } }).name.length, 40)
  assert.equal(personOf(7, { user: { name: '\u202eecilA' } }).name, 'ecilA')
  assert.equal(personOf(7, { user: { name: '\u2067 \u2069' } }).name, 'Someone')
})

test('initials are one or two letters', () => {
  const initials = { Ada: 'Ad', 'Ana Maria Lopez': 'AL', x: 'X', 'Yo-Yo': 'YY', '': '?', 'élan': 'Él', '👩 b': '👩b' }
  for (const [name, letters] of Object.entries(initials)) assert.equal(initialsOf(name), letters)
})
