// Clients with messages of their own on /yjs: y-sweet's as it is, and an app that saves as JupyterLab does.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { EVENT_LOCAL_CHANGES, STATUS_CONNECTED, YSweetProvider } from '@y-sweet/client'
import { holdTable } from './support/database.mjs'
import { join, newRoom, versions } from './support/client.mjs'
import { startServer } from './support/server.mjs'
import { RecordingSocket } from './support/socket.mjs'
import { until } from './support/until.mjs'

let server
before(async () => (server = await startServer({ store: 'postgres' })))
after(() => server.close())

/** Nobody listens there. */
const nowhere = 'ws://127.0.0.1:1'

/** An unmodified y-sweet provider, its document, its sockets, and whether a network is there for the next one. */
function ySweet(t, docId, { token = server.token(), doc = new Y.Doc() } = {}) {
  const sockets = []
  const network = { isAway: false }
  class Socket extends RecordingSocket {
    constructor(url) {
      super(network.isAway ? nowhere : url, [])
      sockets.push(this)
    }
  }
  const clientToken = async () => ({ url: server.yjsUrl, baseUrl: server.url, docId, token })
  const provider = new YSweetProvider(clientToken, docId, doc, { WebSocketPolyfill: Socket, showDebuggerLink: false })
  const changes = []
  provider.on(EVENT_LOCAL_CHANGES, (has) => changes.push(has))
  t.after(() => {
    // It would come back after its own end, too.
    provider.connect = async () => {}
    provider.destroy()
    doc.destroy()
  })
  return { provider, doc, text: doc.getText('content'), sockets, network, changes }
}

const connected = ({ provider }) => until(() => provider.status === STATUS_CONNECTED, 'y-sweet is connected')

test('y-sweet meets the others, and has local changes until they are committed', async (t) => {
  const room = newRoom()
  const ada = ySweet(t, room)
  await connected(ada)
  const bob = await join(t, server, { version: versions[0], room })
  ada.text.insert(0, 'hello ')
  assert.equal(ada.provider.hasLocalChanges, true)
  await bob.reads('hello ')
  await until(() => !ada.provider.hasLocalChanges, 'all is committed')
  bob.type('y-sweet')
  await until(() => ada.text.toString() === 'hello y-sweet', 'y-sweet reads on')
  await bob.acknowledged()
  await server.kill9()
  await server.start()
  const late = await join(t, server, { version: versions[0], room })
  assert.equal(late.content(), 'hello y-sweet')
  await connected(ada)
})

test('while the database takes nothing, y-sweet stays connected and has local changes', async (t) => {
  const room = newRoom()
  const ada = ySweet(t, room)
  await connected(ada)
  ada.text.insert(0, 'first ')
  await until(() => !ada.provider.hasLocalChanges, 'all is committed')
  const release = await holdTable(server.databaseUrl, 'entry')
  ada.text.insert(6, 'second')
  // Longer than its own patience with a server that says nothing, 2 s and 3 s more.
  const long = Date.now() + 7_000
  await until(() => Date.now() > long, 'the time is over', { withinMs: 20_000 })
  assert.deepEqual([ada.provider.hasLocalChanges, ada.provider.status, ada.sockets.length], [true, STATUS_CONNECTED, 1])
  await release()
  await until(() => !ada.provider.hasLocalChanges, 'all is committed')
  assert.equal(ada.sockets.length, 1)
})

test('what y-sweet typed while it was away counts as local changes until that is committed', async (t) => {
  const room = newRoom()
  const ada = ySweet(t, room)
  await connected(ada)
  ada.network.isAway = true
  await server.kill9()
  ada.text.insert(0, 'offline')
  await server.start()
  const release = await holdTable(server.databaseUrl, 'entry')
  // Loading the room needs the table, too: it is let go once the client has asked.
  const before = ada.sockets.length
  ada.network.isAway = false
  await until(() => ada.sockets.length > before, 'y-sweet comes back')
  assert.equal(ada.provider.hasLocalChanges, true)
  await release()
  await until(() => !ada.provider.hasLocalChanges, 'all is committed')
  const late = await join(t, server, { version: versions[0], room })
  assert.equal(late.content(), 'offline')
})

test('a reader with y-sweet reads on, and what it types never counts as committed', async (t) => {
  const room = newRoom()
  const bob = await join(t, server, { version: versions[0], room })
  bob.type('written')
  const rita = ySweet(t, room, { token: server.token({ sub: 'rita', rooms: [{ room: '*', access: 'read' }] }) })
  await until(() => rita.text.toString() === 'written', 'the reader reads')
  await until(() => !rita.provider.hasLocalChanges, 'nothing is unsaved')
  rita.text.insert(0, 'scribbled ')
  bob.type(' on')
  await until(() => rita.text.toString().endsWith(' on'), 'the reader reads on')
  await bob.acknowledged()
  assert.deepEqual([rita.provider.hasLocalChanges, rita.sockets.length, bob.content()], [true, 1, 'written on'])
})

/** Asks as JupyterLab's document provider does, on a y-websocket provider's socket; the status of the answer. */
function save(client, id) {
  const socket = client.socket
  return new Promise((resolve) => {
    const onFrame = (frame) => {
      const decoder = decoding.createDecoder(frame)
      if (decoding.readVarUint(decoder) !== 2) return
      const reply = JSON.parse(decoding.readVarString(decoder))
      if (reply.type !== 'save' || reply.responseTo !== id) return
      socket.off('frame', onFrame)
      resolve(reply.status)
    }
    socket.on('frame', onFrame)
    const encoder = encoding.createEncoder()
    encoding.writeVarUint(encoder, 2)
    encoding.writeVarString(encoder, 'save')
    encoding.writeVarUint(encoder, id)
    socket.send(encoding.toUint8Array(encoder))
  })
}

for (const version of versions) {
  test(`${version.name}: an app that saves as JupyterLab does is answered after the commit, and stays connected`, async (t) => {
    const ada = await join(t, server, { version, room: newRoom() })
    ada.type('cell')
    assert.equal(await save(ada, 1), 'success')
    const release = await holdTable(server.databaseUrl, 'entry')
    ada.type(' two')
    let status = null
    const saving = save(ada, 300).then((answer) => (status = answer))
    const long = Date.now() + 1_000
    await until(() => Date.now() > long, 'some time is over')
    assert.equal(status, null)
    await release()
    await saving
    assert.equal(status, 'success')
    ada.socket.send(Uint8Array.of(125, 1, 2, 3))
    await ada.acknowledged()
    assert.deepEqual([ada.sockets.length, ada.denials], [1, 0])
  })
}
