// One test of each protocol over wss, by the clients that people use. Run by tls.test.mjs, or: scripts/with-tls.sh node FILE

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { join, newRoom, versions } from './client.mjs'
import { joinDocument, releases } from './hocuspocus.mjs'
import { startServer } from './server.mjs'
import { talk, timelineOf } from './tutti.mjs'
import { until } from './until.mjs'

let server
before(async () => {
  server = await startServer()
  assert.match(server.yjsUrl, /^wss:/)
})
after(() => server.close())

test('y-websocket: what one types the other reads, more than fits into a record', async (t) => {
  const room = newRoom()
  const [ada, bob] = await Promise.all([join(t, server, { version: versions[0], room }), join(t, server, { version: versions[0], room })])
  const text = 'over TLS '.repeat(20_000)
  ada.type(text)
  await bob.reads(text)
  await ada.acknowledged()
})

test('Hocuspocus: two people edit one document, and it is saved', async (t) => {
  const room = newRoom()
  const [ada, bob] = await Promise.all(['ada', 'bob'].map((sub) => joinDocument(t, server, { release: releases[0], room, as: server.token({ sub }) })))
  ada.type('from Ada')
  await bob.reads('from Ada')
  await ada.saved()
})

test('JSON: a message arrives, and REST has it', async (t) => {
  const name = newRoom()
  const [ada, bob] = ['ada', 'bob'].map((sub) => talk(t, server, { as: { sub } }).room(name))
  await Promise.all([ada.joined(), bob.joined()])
  await ada.send('by TLS')
  await until(() => bob.heard.some(({ text }) => text === 'by TLS'), 'the message is heard', { state: () => bob.heard })
  const entries = await timelineOf(server, name)
  assert.deepEqual(entries.map(({ seq, kind }) => [seq, kind]), [[1, 'message']])
})
