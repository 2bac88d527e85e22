// Messages beyond the limit, over loopback, where a reset would overtake a close frame: each client is told once, and none sends the
// same message again and again.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as Y from 'yjs'
import { join, newRoom, versions } from './support/client.mjs'
import { connect, joinDocument, releases } from './support/hocuspocus.mjs'
import { startServer } from './support/server.mjs'
import { RecordingSocket } from './support/socket.mjs'
import { until } from './support/until.mjs'

const tooLarge = 80_000_000
const [newest] = versions

let server
before(async () => (server = await startServer()))
after(() => server.close())

const image = (bytes) => new Uint8Array(bytes).fill(7)

async function stored(from, room) {
  const answer = await from.fetch(`/api/v1/rooms/${room}/document?format=text&root=content`)
  return answer.status === 404 ? '' : answer.text()
}

const refusals = (from, room) => from.log.split('\n').filter((line) => line.includes('edit refused') && line.includes(room))

test('y-websocket is told 4413 once, and its app too', async (t) => {
  const ada = await join(t, server, { version: newest, room: newRoom() })
  const closes = []
  ada.provider.on('connection-close', (event) => closes.push(event?.code))
  ada.doc.getMap('images').set('image', image(tooLarge))
  assert.equal((await ada.socket.ended()).code, 4413)
  await until(() => closes.length > 0, 'the app is told')
  assert.deepEqual([closes, ada.provider.shouldConnect, ada.sockets.length], [[4413], false, 1])
})

test('what y-websocket brings along after a while offline is told the same', async (t) => {
  const ada = await join(t, server, { version: newest, room: newRoom() })
  ada.goOffline()
  for (let i = 0; i < 8; i += 1) ada.doc.getMap('images').set(`image${i}`, image(tooLarge / 8))
  ada.goOnline()
  await until(() => ada.sockets.length === 2, 'it comes back')
  assert.equal((await ada.socket.ended()).code, 4413)
  assert.deepEqual([ada.provider.shouldConnect, ada.sockets.length], [false, 2])
})

test('a JSON client sees 1009', async (t) => {
  const socket = await new RecordingSocket(`${server.url.replace('http', 'ws')}/ws`, ['tutti.v1', `auth.${server.token()}`]).opened()
  t.after(() => socket.terminate())
  socket.send('x'.repeat(tooLarge))
  assert.equal((await socket.ended()).code, 1009)
})

for (const release of releases) {
  describe(release.name, () => {
    test('is told in band, once, and keeps its connection and its other documents', async (t) => {
      const connection = connect(t, server, { release })
      const [room, other] = [newRoom(), newRoom()]
      const ada = await joinDocument(t, server, { connection, room })
      const notes = await joinDocument(t, server, { connection, room: other })
      await Promise.all([ada.type('begun').saved(), notes.saved()])
      ada.doc.getMap('images').set('image', image(tooLarge))
      await notes.type('elsewhere').saved()
      assert.equal(await stored(server, other), 'elsewhere')
      assert.deepEqual([ada.isSaved, connection.sockets.length, connection.socket.closed], [false, 1, null])
      // Its author takes it back: nothing of it is left that would be too large.
      ada.doc.getMap('images').delete('image')
      await ada.saved()
      await ada.type(', ended').saved()
      assert.equal(await stored(server, room), 'begun, ended')
      assert.equal(connection.sockets.length, 1)
      assert.ok(Math.min(...ada.counts) >= 0, `no status too many: ${ada.counts}`)
      const lines = refusals(server, room)
      assert.equal(lines.length, 1, lines.join('\n'))
    })

    test('a document that grows past its limit offline is not sent again and again', async (t) => {
      const own = await startServer({ args: ['--document-bytes-max', '65536'] })
      t.after(() => own.close())
      const room = newRoom()
      const connection = connect(t, own, { release })
      const ada = await joinDocument(t, own, { connection, room })
      const notes = await joinDocument(t, own, { connection, room: newRoom() })
      await Promise.all([ada.type('begun').saved(), notes.saved()])
      await ada.connection.goOffline()
      ada.doc.getMap('images').set('image', image(3_000_000))
      ada.connection.goOnline()
      await until(() => refusals(own, room).length > 0, 'the edit is refused')
      ada.type(', more')
      await notes.type('elsewhere').saved()
      assert.deepEqual([ada.isSaved, connection.sockets.length, connection.socket.closed], [false, 2, null])
      assert.equal(await stored(own, room), 'begun')
    })
  })
}

test('at the limit a message is taken, one byte more is refused: y-websocket', async (t) => {
  const own = await startServer({ args: ['--document-bytes-max', '65536'] })
  t.after(() => own.close())
  /** An update of the given length, as a message three bytes and its own length longer. */
  const update = (bytes) => {
    for (let length = bytes - 100; ; length += 1) {
      const doc = new Y.Doc()
      doc.clientID = 1
      doc.getText('content').insert(0, 'x'.repeat(length))
      const made = Y.encodeStateAsUpdate(doc)
      if (made.length === bytes) return made
    }
  }
  for (const [bytes, code] of [[65_536, null], [65_537, 4413]]) {
    const ada = await join(t, own, { version: newest, room: newRoom() })
    // Two bytes of type, three of length.
    Y.applyUpdate(ada.doc, update(bytes - 5))
    if (code === null) await ada.acknowledged()
    else assert.equal((await ada.socket.ended()).code, code)
  }
})
