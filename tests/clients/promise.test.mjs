// The promise about edits, with unmodified providers: what finds no room for now is asked for again until it is stored, and whoever
// waits for that is told, not before.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as Y from 'yjs'
import { join, newRoom, versions } from './support/client.mjs'
import { holdDatabase, stores } from './support/database.mjs'
import { isAwareness, isStep1, queryAwareness } from './support/frames.mjs'
import { joinDocument, releases } from './support/hocuspocus.mjs'
import { startServer } from './support/server.mjs'
import { until } from './support/until.mjs'

const roomBytes = 65_536
const small = ['--room-unsaved-bytes-max', `${roomBytes}`]
const [newest] = versions

async function started(t, options) {
  const server = await startServer(options)
  t.after(() => server.close())
  return server
}

/** The document as the store has it. */
async function stored(server, room) {
  const answer = await server.fetch(`/api/v1/rooms/${room}/document?format=yjs`)
  const doc = new Y.Doc()
  if (answer.status === 200) Y.applyUpdate(doc, new Uint8Array(await answer.arrayBuffer()))
  return { text: doc.getText('content').toString(), images: doc.getMap('images').toJSON() }
}

const image = (bytes) => new Uint8Array(bytes).fill(7)

/** Words and images in turn, the images of a tenth of what a room keeps to three times as much. */
function drop(client, who, count) {
  for (let i = 0; i < count; i += 1) {
    client.type(`${who}${i} `)
    client.doc.getMap('images').set(`${who}${i}`, image(Math.round(roomBytes * (0.1 + ((i * 7) % 30) / 10))))
  }
  client.type(`${who}-end `)
}

const names = (who, count) => Array.from({ length: count }, (_, i) => `${who}${i}`)

/** Waits until the server has handled all that a y-websocket client has sent. */
async function handled(client) {
  const { ws } = client.provider
  let hasAnswered = false
  ws.on('frame', (frame) => (hasAnswered ||= isAwareness(frame)))
  ws.send(queryAwareness)
  await until(() => hasAnswered, 'the server has handled all')
}

for (const store of stores) {
  describe(`on ${store}`, () => {
    test('edits of all sizes that come while the database is away are stored once it is back, without a reconnect', async (t) => {
      const server = await started(t, { store, args: small })
      const room = newRoom()
      const ada = await join(t, server, { version: newest, room, as: server.token({ sub: 'ada' }) })
      const others = await Promise.all(releases.map((release) => joinDocument(t, server, { release, room, as: server.token({ sub: release.name }) })))
      ada.type('begun ')
      await ada.acknowledged()
      await Promise.all(others.map((client) => client.saved()))

      const release = await holdDatabase(server)
      drop(ada, 'a', 6)
      others.forEach((client, number) => drop(client, `h${number}-`, 4))
      const acknowledged = ada.acknowledged({ withinMs: 120_000 })
      await handled(ada)
      ada.type('meanwhile ')
      await release()
      await acknowledged
      await ada.type('afterwards').acknowledged({ withinMs: 120_000 })
      await Promise.all(others.map((client) => client.saved({ withinMs: 120_000 })))

      const { text, images } = await stored(server, room)
      const expected = [...names('a', 6), ...others.flatMap((_, number) => names(`h${number}-`, 4))]
      assert.deepEqual(Object.keys(images).sort(), expected.sort())
      for (const word of ['a-end', 'h0--end', 'h1--end', 'h2--end', 'meanwhile', 'afterwards']) assert.ok(text.includes(word), `${word} in ${text}`)
      assert.deepEqual([ada.sockets.length, ...others.map((client) => client.connection.sockets.length)], [1, 1, 1, 1])
      for (const client of others) assert.ok(Math.min(...client.counts) >= 0, `no status too many: ${client.counts}`)
    })

    test('30 images dropped at once by a Hocuspocus author are all stored, with the words after them', async (t) => {
      const server = await started(t, { store })
      const room = newRoom()
      const ada = await joinDocument(t, server, { release: releases[0], room })
      ada.type('begun ')
      await ada.saved()
      for (let i = 0; i < 30; i += 1) {
        ada.doc.getMap('images').set(`image${i}`, image(1_500_000))
        ada.type(`word${i} `)
      }
      await ada.saved({ withinMs: 240_000 })
      const { text, images } = await stored(server, room)
      assert.deepEqual(Object.keys(images).sort(), names('image', 30).sort())
      assert.equal(text, ada.content())
      assert.equal(ada.connection.sockets.length, 1)
    })

    test('a barrier comes back although the room is full, after the commit of what came before it', async (t) => {
      const server = await started(t, { store, args: small })
      const room = newRoom()
      const ada = await join(t, server, { version: newest, room })
      const bob = await join(t, server, { version: newest, room })
      ada.type('begun ')
      await ada.acknowledged()
      const release = await holdDatabase(server)
      ada.doc.getMap('images').set('image', image(2 * roomBytes))
      let isSaved = false
      const all = Promise.all([ada.acknowledged(), ada.acknowledged(), ada.acknowledged()]).then(() => (isSaved = true))
      await handled(ada)
      const others = bob.acknowledged()
      await handled(bob)
      assert.equal(isSaved, false)
      await release()
      await Promise.all([all, others])
      assert.deepEqual(Object.keys((await stored(server, room)).images), ['image'])
    })
  })
}

for (const version of versions) {
  test(`a reader who deleted something offline is denied in band, and one who did not is not: ${version.name}`, async (t) => {
    const server = await started(t)
    const room = newRoom()
    const ada = await join(t, server, { version, room })
    await ada.type('written by Ada').acknowledged()
    const as = server.token({ sub: 'rita', rooms: [{ room: '*', access: 'read' }] })
    const rita = await join(t, server, { version, room, as })
    await rita.reads('written by Ada')
    for (const deletes of [false, true]) {
      rita.goOffline()
      if (deletes) rita.text.delete(7, 7)
      rita.goOnline()
      await rita.synced()
      await until(() => rita.socket.received.some(isStep1), 'the reader is asked')
      await handled(rita)
      assert.equal(rita.denials, deletes ? 1 : 0)
    }
    assert.equal(rita.socket.closed, null)
    assert.equal((await stored(server, room)).text, 'written by Ada')
  })
}
