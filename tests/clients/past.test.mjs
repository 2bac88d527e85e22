// A room's past by the browser client, from the real server.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as Y from 'yjs'
import { join, newRoom, versions } from './support/client.mjs'
import { startServer } from './support/server.mjs'
import { token } from './support/token.mjs'
import { talk } from './support/tutti.mjs'

let server
before(async () => {
  server = await startServer()
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

test('a reader does not look back, unless the token says so', async (t) => {
  const { name } = await writtenRoom(t)
  const reader = (history) => talk(t, server, { as: { rooms: [{ room: name, access: 'read', history }] } }).tutti.room(name).past
  assert.equal(await refusal(reader(undefined).document({ at: 1 })), 'forbidden')
  assert.equal(await refusal(reader(undefined).versions()), 'forbidden')
  assert.equal((await reader(true).document({ at: 1, format: 'text' })).content, 'one two three')
  assert.equal(await refusal(reader(true).restore(1)), 'forbidden')
})
