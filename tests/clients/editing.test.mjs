// People edit one document through unmodified providers.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as Y from 'yjs'
import { converge, join, newRoom, versions } from './support/client.mjs'
import { barrier, isSame, isStep2 } from './support/frames.mjs'
import { startServer } from './support/server.mjs'
import { until } from './support/until.mjs'

let server
before(async () => (server = await startServer()))
after(() => server.close())

for (const version of versions) {
  describe(version.name, () => {
    test('two clients type at once and converge', async (t) => {
      const room = newRoom()
      const [ada, bob] = await Promise.all([join(t, server, { version, room }), join(t, server, { version, room })])
      for (let i = 0; i < 100; i += 1) {
        ada.type('a', 0)
        bob.type('b')
        if (i % 10 === 0) await new Promise(setImmediate)
      }
      const content = await converge([ada, bob], (text) => text.length === 200)
      assert.equal(content.replaceAll('b', ''), 'a'.repeat(100))
      assert.deepEqual([ada.sockets.length, bob.sockets.length], [1, 1])
    })

    test('a late joiner gets the whole document', async (t) => {
      const room = newRoom()
      const ada = await join(t, server, { version, room })
      ada.type('written before anyone else came 🎻')
      await ada.acknowledged()
      const late = await join(t, server, { version, room })
      assert.equal(late.content(), 'written before anyone else came 🎻')
    })

    test('an edit of every shared type arrives', async (t) => {
      const room = newRoom()
      const [ada, bob] = await Promise.all([join(t, server, { version, room }), join(t, server, { version, room })])
      ada.doc.transact(() => {
        ada.doc.getMap('map').set('list', Y.Array.from([1, 'two', { three: [null, true] }, new Uint8Array([4])]))
        ada.doc.getXmlFragment('xml').insert(0, [new Y.XmlElement('p')])
        ada.text.insert(0, 'bold', { bold: true })
      })
      await until(() => bob.content() === 'bold', 'the edit arrives')
      assert.deepEqual(bob.doc.getMap('map').toJSON(), { list: [1, 'two', { three: [null, true] }, new Uint8Array([4])] })
      assert.equal(bob.doc.getXmlFragment('xml').toString(), '<p></p>')
      assert.deepEqual(bob.text.toDelta(), [{ insert: 'bold', attributes: { bold: true } }])
    })

    test('what was typed offline by both is merged when one comes back', async (t) => {
      const room = newRoom()
      const [ada, bob] = await Promise.all([join(t, server, { version, room }), join(t, server, { version, room })])
      ada.type('middle')
      await bob.reads('middle')
      bob.goOffline()
      bob.type('; bob was here')
      ada.type('ada was here; ', 0)
      await ada.acknowledged()
      assert.equal(bob.content(), 'middle; bob was here')
      bob.goOnline()
      await Promise.all([ada, bob].map((client) => client.reads('ada was here; middle; bob was here')))
      await bob.acknowledged()
      const late = await join(t, server, { version, room })
      assert.equal(late.content(), 'ada was here; middle; bob was here')
    })

    test('a document typed before the first connection is kept', async (t) => {
      const room = newRoom()
      const doc = new Y.Doc()
      doc.getText('content').insert(0, 'brought along')
      const ada = await join(t, server, { version, room, doc })
      await ada.acknowledged()
      const late = await join(t, server, { version, room })
      assert.equal(late.content(), 'brought along')
    })

    test('an edit comes back to its author byte for byte, and only once', async (t) => {
      const room = newRoom()
      const ada = await join(t, server, { version, room })
      const echoes = []
      let sent
      ada.doc.once('update', (update) => (sent = Buffer.from(update).toString('hex')))
      ada.socket.on('frame', (frame) => echoes.push(Buffer.from(frame).toString('hex')))
      ada.type('echo')
      await ada.acknowledged()
      assert.equal(echoes.filter((frame) => frame.endsWith(sent)).length, 1)
    })

    test('however large an edit is, the server never sends a barrier that nobody sent', async (t) => {
      const ada = await join(t, server, { version, room: newRoom() })
      const { socket } = ada
      for (const bytes of [1, 10_000, 65_000, 66_000, 300_000]) ada.type('x'.repeat(bytes))
      await ada.acknowledged()
      ada.type('and a small one')
      await ada.acknowledged()
      assert.equal(socket.received.filter((frame) => isSame(frame, barrier)).length, 2)
    })

    test('a client that comes back with the whole document receives a few bytes, not the document', async (t) => {
      const room = newRoom()
      const ada = await join(t, server, { version, room })
      ada.type('0123456789'.repeat(20_000))
      await ada.acknowledged()
      ada.goOffline()
      ada.goOnline()
      await ada.synced()
      assert.equal(ada.sockets.length, 2)
      const answers = ada.socket.received.filter(isStep2)
      assert.equal(answers.length, 1)
      assert.ok(answers[0].length < 32, `Step2 has ${answers[0].length} bytes`)
      assert.ok(ada.socket.receivedBytes < 1_000, `${ada.socket.receivedBytes} bytes were received`)
    })

    test('rooms whose names hold slashes, spaces and signs are rooms of their own', async (t) => {
      const names = ['a/b/c', 'a/b', 'with space', 'docs/A.b_c~d:e@f-g'].map((name) => `${version.name}/${name}`)
      for (const room of names) {
        const ada = await join(t, server, { version, room })
        ada.type(`this is ${room}`)
        await ada.acknowledged()
      }
      for (const room of names) {
        const bob = await join(t, server, { version, room })
        assert.equal(bob.content(), `this is ${room}`)
      }
    })

    test('a room that everybody left is whole when someone returns', async (t) => {
      const room = newRoom()
      const ada = await join(t, server, { version, room })
      ada.type('left alone')
      await ada.acknowledged()
      ada.close()
      const bob = await join(t, server, { version, room })
      assert.equal(bob.content(), 'left alone')
    })
  })
}

test('both releases of the provider edit one document', async (t) => {
  const room = newRoom()
  const clients = await Promise.all(versions.map((version) => join(t, server, { version, room })))
  for (const [i, client] of clients.entries()) client.type(String(i).repeat(10))
  await converge(clients, (text) => text.length === 20)
})

test('the first edit of a new room is acknowledged as fast as any', async (t) => {
  const [version] = versions
  const ada = await join(t, server, { version, room: newRoom() })
  ada.type('a new room')
  await ada.acknowledged({ withinMs: 10_000 })
})

test('a large offline edit arrives as one piece', async (t) => {
  const room = newRoom()
  const [version] = versions
  const ada = await join(t, server, { version, room })
  const bob = await join(t, server, { version, room })
  ada.goOffline()
  ada.type('a line of a long document\n'.repeat(100_000))
  ada.goOnline()
  await bob.reads(ada.content())
  await ada.acknowledged()
})
