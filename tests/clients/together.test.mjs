// One room from all three protocols at once: y-websocket, Hocuspocus and JSON clients see each other's edits, presence and messages.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import * as Y from 'yjs'
import { join, newRoom, versions } from './support/client.mjs'
import { joinDocument, releases } from './support/hocuspocus.mjs'
import { startServer } from './support/server.mjs'
import { talk, timelineOf } from './support/tutti.mjs'
import { until } from './support/until.mjs'

let server
before(async () => (server = await startServer({ args: ['--keep-stateless'] })))
after(() => server.close())

/** Ada on y-websocket, Ben on Hocuspocus, Cleo on JSON. */
async function meet(t) {
  const room = newRoom()
  const [version, release] = [versions[0], releases[0]]
  const ada = await join(t, server, { version, room, as: server.token({ sub: 'ada', name: 'Ada' }) })
  const ben = await joinDocument(t, server, { release, room, as: server.token({ sub: 'ben', name: 'Ben' }) })
  const cleo = talk(t, server, { as: { sub: 'cleo', name: 'Cleo' } }).room(room, { edits: true })
  await cleo.joined()
  return { room, ada, ben, cleo }
}

/** The users whose awareness a Yjs client knows, by their ids or names. */
const aware = ({ awareness }) => [...awareness.getStates().values()].map((state) => state.user?.name).filter(Boolean).sort()

test('an edit of one is an edit for all', async (t) => {
  const { room, ada, ben, cleo } = await meet(t)
  ada.doc.getText('content').insert(0, 'from Ada')
  await ben.reads('from Ada')
  ben.type(', from Ben')
  await until(() => ada.doc.getText('content').toString() === 'from Ada, from Ben', 'Ada reads it', { state: () => ada.doc.getText('content').toString() })
  await ben.saved()
  await until(() => cleo.heard.filter((entry) => entry.type === 'edit').length === 2, 'Cleo hears of both', { state: () => cleo.heard })
  const doc = new Y.Doc()
  for (const { update } of cleo.heard) Y.applyUpdate(doc, Buffer.from(update, 'base64'))
  assert.equal(doc.getText('content').toString(), 'from Ada, from Ben')
  assert.deepEqual(cleo.heard.map(({ user, seq }) => [user, seq]), [['ada', 1], ['ben', 2]])
  assert.deepEqual((await timelineOf(server, room)).map(({ seq, author }) => [seq, author]), [[1, 'ada'], [2, 'ben']])
})

test('everyone is present for everyone', async (t) => {
  const { ada, ben, cleo } = await meet(t)
  ada.awareness.setLocalStateField('user', { name: 'Ada', color: '#a00' })
  ben.provider.setAwarenessField('user', { name: 'Ben', color: '#0a0' })
  cleo.presence.set({ reading: 'page 3' })
  await until(() => [...cleo.presence.users.keys()].sort().join() === 'ada,ben,cleo', 'Cleo sees all', { state: () => [...cleo.presence.users] })
  await until(() => cleo.presence.users.get('ben').state?.user?.color === '#0a0', "Cleo sees Ben's state", { state: () => [...cleo.presence.users] })
  for (const client of [ada, { awareness: ben.provider.awareness }]) {
    await until(() => aware(client).join() === 'Ada,Ben,Cleo', 'an editor sees all', { state: () => aware(client) })
    const shown = () => [...client.awareness.getStates().values()].find((state) => state.user?.name === 'Cleo')?.state
    await until(() => isDeepStrictEqual(shown(), { reading: 'page 3' }), "an editor sees Cleo's state", { state: shown })
  }
  await cleo.leave()
  await until(() => aware(ada).join() === 'Ada,Ben', 'who leaves is gone for editors', { state: () => aware(ada) })
})

test('messages, a kept text of a Hocuspocus app and edits stand in one order', async (t) => {
  const { room, ada, ben, cleo } = await meet(t)
  await cleo.send('shall we begin?')
  ada.doc.getText('content').insert(0, 'x')
  await until(() => cleo.heard.length === 2, 'the edit is committed', { state: () => cleo.heard })
  ben.provider.sendStateless('{"begin":true}')
  await until(() => cleo.heard.length === 3, 'the text is kept', { state: () => cleo.heard })
  assert.deepEqual(cleo.heard.map(({ seq, type, user }) => [seq, type, user]), [
    [1, 'chat.message', 'cleo'],
    [2, 'edit', 'ada'],
    [3, 'stateless', 'ben'],
  ])
  assert.deepEqual((await timelineOf(server, room)).map(({ kind }) => kind), ['message', 'edit', 'event'])
})
