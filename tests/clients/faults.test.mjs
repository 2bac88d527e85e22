// What a server's end, or a broken client, costs the others: nothing.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as Y from 'yjs'
import { converge, join, newRoom, open, versions } from './support/client.mjs'
import { stores } from './support/database.mjs'
import { barrier, isAwareness, isSame, isStep1, queryAwareness, updateFrame } from './support/frames.mjs'
import { startServer } from './support/server.mjs'
import { openSocket } from './support/socket.mjs'
import { until } from './support/until.mjs'

async function started(t, options) {
  const server = await startServer(options)
  t.after(() => server.close())
  return server
}

for (const store of stores) {
  for (const version of versions) {
    describe(`${version.name} on ${store}`, () => {
      test('acknowledged edits survive kill -9, and clients come back by themselves', async (t) => {
        const server = await started(t, { store })
        const room = newRoom()
        const [ada, bob] = await Promise.all([join(t, server, { version, room }), join(t, server, { version, room })])
        for (let i = 0; i < 100; i += 1) ada.type('a')
        await bob.reads('a'.repeat(100))
        await ada.acknowledged()
        await server.kill9()
        await until(() => !ada.provider.wsconnected && !bob.provider.wsconnected, 'the clients notice')
        ada.type('; typed by Ada meanwhile')
        bob.type('typed by Bob meanwhile; ', 0)
        await server.start()
        await Promise.all([ada, bob].map((client) => client.synced()))
        const whole = `typed by Bob meanwhile; ${'a'.repeat(100)}; typed by Ada meanwhile`
        await Promise.all([ada, bob].map((client) => client.reads(whole)))
        await Promise.all([ada.acknowledged(), bob.acknowledged()])
        await server.kill9()
        await server.start()
        const late = await join(t, server, { version, room })
        assert.equal(late.content(), whole)
      })

      test('a server that is asked to stop keeps what was typed, closes with 1001 and ends with 0', async (t) => {
        const server = await started(t, { store })
        const room = newRoom()
        const clients = await Promise.all([join(t, server, { version, room }), join(t, server, { version, room })])
        const [ada, bob] = clients
        ada.type('typed just before the end')
        await bob.reads('typed just before the end')
        const sockets = clients.map((client) => client.socket)
        assert.equal(await server.stop(), 0)
        await until(() => sockets.every((socket) => socket.closed), 'the sockets are closed')
        assert.deepEqual(sockets.map((socket) => socket.closed.code), [1001, 1001])
        await server.start()
        const doc = await server.fetch(`/api/v1/rooms/${room}/document?format=text&root=content`)
        assert.equal(await doc.text(), 'typed just before the end')
        await Promise.all(clients.map((client) => client.synced()))
      })
    })
  }
}

const hostile = {
  'bytes that mean nothing': Buffer.from('ffffffffffffffffffff', 'hex'),
  'a text frame': 'hello',
  'an empty frame': Buffer.alloc(0),
  'a number that does not end': Buffer.from('0002ffffff', 'hex'),
  'a length beyond the frame': Buffer.from('0002ff0100', 'hex'),
  'a state vector that does not decode': Buffer.from('0000020101', 'hex'),
  'an awareness update that does not decode': Buffer.from('010201ff', 'hex'),
  'an awareness state that is no JSON': Buffer.from('0107010101037b7b7b', 'hex'),
  'an update that does not decode': Buffer.from(updateFrame(Buffer.from('deadbeefdeadbeef', 'hex'))),
  'an update that claims 200 million clients': Buffer.from(updateFrame(Buffer.from('80d6ae5f00', 'hex'))),
  'an update of 20,000 nested arrays': Buffer.from(updateFrame(nestedArrays(20_000))),
}

/** One map entry whose value is an array in an array in an array …, in the v1 encoding. */
function nestedArrays(depth) {
  // One client with one struct: client 9, clock 0, content Any with a parent's name and key, one value.
  const head = [1, 1, 9, 0, 0x28, 1, 1, 0x6d, 1, 0x6b, 1]
  return Buffer.concat([Buffer.from(head), Buffer.alloc(depth * 2, Buffer.from([117, 1])), Buffer.from([126, 0])])
}

describe('hostile frames', () => {
  for (const [what, frame] of Object.entries(hostile)) {
    test(`${what}: only the sender is closed, with 4422 and a reason; others notice nothing`, async (t) => {
      const server = await started(t)
      const room = newRoom()
      const [version] = versions
      const [ada, bob] = await Promise.all([join(t, server, { version, room }), join(t, server, { version, room })])
      ada.type('before; ')
      await ada.acknowledged()
      const mallory = await openSocket(server, room, { as: server.token({ sub: 'mallory' }) }).opened()
      t.after(() => mallory.terminate())
      mallory.send(frame)
      const { code, reason } = await mallory.ended()
      assert.equal(code, 4422)
      assert.ok(reason.length > 0, 'the close says why')
      ada.type('after')
      await bob.reads('before; after')
      await ada.acknowledged()
      assert.deepEqual([ada.sockets.length, bob.sockets.length], [1, 1])
      assert.equal((await server.fetch('/readyz')).status, 200)
    })
  }

  for (const version of versions) {
    test(`a document that grows past its limit is refused for good: ${version.name}`, async (t) => {
      const server = await started(t, { args: ['--document-bytes-max', '65536'] })
      const room = newRoom()
      const bob = await join(t, server, { version, room })
      const ada = await join(t, server, { version, room, as: server.token({ sub: 'ada' }) })
      ada.type('x'.repeat(40_000))
      await bob.reads('x'.repeat(40_000))
      await ada.acknowledged()
      const { socket } = ada
      ada.type('y'.repeat(40_000))
      const { code } = await socket.ended()
      assert.equal(code, 4413)
      assert.equal(ada.provider.shouldConnect, !version.stopsWhenDenied)
      bob.type('!')
      await bob.acknowledged()
      assert.equal(bob.content(), `${'x'.repeat(40_000)}!`)
      assert.equal(bob.sockets.length, 1)
    })
  }

  test('a single edit larger than a document may be is refused for good', async (t) => {
    const server = await started(t, { args: ['--document-bytes-max', '65536'] })
    const [version] = versions
    const ada = await join(t, server, { version, room: newRoom() })
    ada.type('x'.repeat(100_000))
    assert.equal((await ada.socket.ended()).code, 4413)
    assert.equal(ada.provider.shouldConnect, false)
  })

  test('an edit that comes after a gap is not acknowledged, and is healed by what is missing', async (t) => {
    const server = await started(t)
    const room = newRoom()
    const [version] = versions
    const ada = await join(t, server, { version, room })
    const bob = await join(t, server, { version, room })
    const { ws } = ada.provider
    const send = ws.send.bind(ws)
    // The first edit is lost on its way; the second builds on it.
    ws.send = () => {}
    ada.type('lost, ')
    ws.send = send
    ada.type('and found')
    await converge([ada, bob], (text) => text === 'lost, and found')
    await ada.acknowledged()
    const late = open(t, server, { version, room })
    await late.reads('lost, and found')
  })

  test('behind an edit that comes after a gap, a barrier does not come back before the gap is closed', async (t) => {
    const server = await started(t)
    const doc = new Y.Doc()
    const updates = []
    doc.on('update', (update) => updates.push(updateFrame(update)))
    for (const text of ['first ', 'second ', 'third']) doc.getText('content').insert(doc.getText('content').length, text)
    const [first, second, third] = updates

    const room = newRoom()
    const socket = await openSocket(server, room).opened()
    t.after(() => socket.terminate())
    const count = (matches) => socket.received.filter(matches).length
    const isBarrier = (frame) => isSame(frame, barrier)
    for (const frame of [first, barrier]) socket.send(frame)
    await until(() => count(isBarrier) === 1, 'the first edit is acknowledged')
    const answered = count(isAwareness)
    for (const frame of [third, barrier, queryAwareness]) socket.send(frame)
    await until(() => count(isAwareness) > answered, 'the server has handled all')
    assert.equal(count(isStep1), 2, 'the server asks for what is missing')
    assert.equal(count(isBarrier), 1, 'what is not stored is not acknowledged')
    for (const frame of [second, third, barrier]) socket.send(frame)
    await until(() => count(isBarrier) >= 2, 'all is acknowledged')
    const text = await server.fetch(`/api/v1/rooms/${room}/document?format=text&root=content`)
    assert.equal(await text.text(), 'first second third')
  })

  test('a flood of frames by one client does not keep the others from typing', async (t) => {
    const server = await started(t)
    const room = newRoom()
    const [version] = versions
    const [ada, bob] = await Promise.all([join(t, server, { version, room }), join(t, server, { version, room })])
    const mallory = await openSocket(server, room, { as: server.token({ sub: 'mallory' }) }).opened()
    t.after(() => mallory.terminate())
    for (let i = 0; i < 20_000 && !mallory.closed; i += 1) mallory.send(Buffer.from('00000100', 'hex'))
    ada.type('meanwhile')
    await bob.reads('meanwhile')
    await ada.acknowledged()
  })
})
