import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cleanGuestName, isDocumentName, randomDocumentName, shownName, slugify } from '../page/names.js'

test('a document name may hold what the server allows and nothing else', () => {
  for (const name of ['hello', 'notes/2026 plan', 'a.b_c~d:e@f-g', 'x'.repeat(150), 'Übersicht', '会議・メモ', 'خطة', '🚀', 'ü'.repeat(75)]) assert.ok(isDocumentName(name), name)
  for (const name of ['', '/', 'a//b', '/a', 'a/', '.', 'a/../b', './a', 'U\u0308', 'a\u200db', 'a\u202eb', 'a\u00a0b', '\u3164', '❤\ufe0f', 'ü'.repeat(76), 'a?b', 'a#b', 'a%b', 'a\nb', 'x'.repeat(151)]) {
    assert.ok(!isDocumentName(name), JSON.stringify(name))
  }
})

test('what people type becomes the name they meant', () => {
  const meant = {
    'Meine Größe': 'meine-größe', ' Café, 1st draft! ': 'café-1st-draft', 'Team / Plans': 'team/plans', '../etc': 'etc', '---': '',
    日本: '日本', 'خطة العمل': 'خطة-العمل', 'U\u0308ber “uns”': 'über-uns', '👩\u200d💻 notes': '👩💻-notes', '\u200b': ''
  }
  for (const [typed, name] of Object.entries(meant)) assert.equal(slugify(typed), name)
})

test('a slug is empty or a name that the server accepts', () => {
  for (const typed of ['a//b', '. . .', './..', 'x'.repeat(400), `${'x'.repeat(149)}/y`, '~', 'A B/ C ', 'ﬁ½™', 'ü'.repeat(400), `${'x'.repeat(148)}👩`, 'e\u200b\u0301', 'İ', '\ufffd', '\ud800']) {
    const slug = slugify(typed)
    assert.ok(slug === '' || isDocumentName(slug), JSON.stringify([typed, slug]))
  }
})

test('a random document name is one that the server accepts', () => {
  for (let i = 0; i < 200; i++) assert.ok(isDocumentName(randomDocumentName()))
})

test('a guest name loses control characters, tildes and surplus spaces', () => {
  assert.equal(cleanGuestName('  Ana \u0000 ~ Lopez\u202e '), 'Ana Lopez')
  assert.equal(cleanGuestName('~ \n'), '')
  assert.equal([...cleanGuestName('👩'.repeat(60))].length, 40)
})

test('the shown name is what stands before the tilde', () => {
  assert.equal(shownName('Ada~k3f9'), 'Ada')
  assert.equal(shownName('service'), 'service')
  assert.equal(shownName('~x'), '~x')
})

test('no name turns the direction of what stands behind it', () => {
  assert.equal(shownName('\u202eada\u2066~k3f9'), 'ada')
  assert.equal(shownName('\u05d0\u200f~k3f9'), '\u05d0\u200f')
})
