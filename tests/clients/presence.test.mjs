// Who is here, by Yjs awareness.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { join, newRoom, open, versions } from './support/client.mjs'
import { awarenessFrame } from './support/frames.mjs'
import { startServer } from './support/server.mjs'
import { openSocket } from './support/socket.mjs'
import { until } from './support/until.mjs'

let server
before(async () => (server = await startServer()))
after(() => server.close())

const reader = () => server.token({ sub: 'rita', rooms: [{ room: '*', access: 'read' }] })

for (const version of versions) {
  /** Two synced clients that see each other. */
  const pair = async (t) => {
    const room = newRoom()
    const ada = (await join(t, server, { version, room, as: server.token({ sub: 'ada' }) })).announce('Ada')
    const bob = (await join(t, server, { version, room, as: server.token({ sub: 'bob' }) })).announce('Bob')
    await Promise.all([ada, bob].map((client) => client.seesNames(['Ada', 'Bob'])))
    return [ada, bob, room]
  }

  describe(version.name, () => {
    test('clients see each other, and what each changes about itself', async (t) => {
      const [ada, bob] = await pair(t)
      ada.awareness.setLocalStateField('cursor', { anchor: 3, head: 7 })
      const state = () => bob.awareness.getStates().get(ada.doc.clientID)
      await until(() => state()?.cursor?.head === 7, 'the cursor arrives')
      assert.deepEqual(state(), { user: { name: 'Ada' }, cursor: { anchor: 3, head: 7 } })
    })

    test('nobody sees themselves leave a new room', async (t) => {
      const room = newRoom()
      const people = ['ada', 'bob'].map((sub) => open(t, server, { version, room, as: server.token({ sub }) }))
      const removed = []
      for (const { awareness } of people) awareness.on('change', (change) => removed.push(...change.removed))
      for (const client of people) client.announce('someone')
      await Promise.all(people.map((client) => client.seesNames(['someone', 'someone'])))
      await Promise.all(people.map((client) => client.acknowledged()))
      assert.deepEqual(removed, [])
    })

    test('a newcomer sees at once who is here', async (t) => {
      const [, , room] = await pair(t)
      const late = await join(t, server, { version, room })
      await late.seesNames(['Ada', 'Bob'])
    })

    test('a client that may only read sees the others and is seen', async (t) => {
      const [ada, , room] = await pair(t)
      const rita = (await join(t, server, { version, room, as: reader() })).announce('Rita')
      await rita.seesNames(['Ada', 'Bob', 'Rita'])
      await ada.seesNames(['Ada', 'Bob', 'Rita'])
      assert.equal(rita.denials, 0)
    })

    // A provider sends every state that it learns of back to the server.
    test('a large state of another does not cost a reader its connection', async (t) => {
      const [ada, , room] = await pair(t)
      const rita = await join(t, server, { version, room, as: reader() })
      ada.awareness.setLocalStateField('note', 'x'.repeat(70_000))
      ada.type('typed after it')
      await rita.reads('typed after it')
      await rita.seesNames(['Ada', 'Bob'])
      rita.announce('Rita')
      await ada.seesNames(['Ada', 'Bob', 'Rita'])
      assert.deepEqual([rita.sockets.length, rita.socket.closed], [1, null])
    })

    test('a client that says goodbye is gone at once', async (t) => {
      const [ada, bob] = await pair(t)
      bob.close()
      await ada.seesNames(['Ada'])
    })

    test('a client whose connection breaks is gone at once', async (t) => {
      const [ada, bob] = await pair(t)
      bob.provider.shouldConnect = false
      bob.socket.terminate()
      await ada.seesNames(['Ada'])
    })

    test('a client that went and comes back within a second is visible at once', async (t) => {
      const [ada, bob] = await pair(t)
      bob.goOffline()
      await ada.seesNames(['Ada'])
      bob.goOnline()
      await ada.seesNames(['Ada', 'Bob'])
    })

    test('a client whose connection broke is visible again at once', async (t) => {
      const [ada, bob] = await pair(t)
      let hasGone = false
      ada.awareness.on('change', ({ removed }) => (hasGone ||= removed.includes(bob.doc.clientID)))
      bob.socket.terminate()
      // On a slow machine the new connection may come before the end of the old one is noticed; then nothing is seen of it.
      await until(() => hasGone || (bob.sockets.length === 2 && bob.provider.synced), 'the other is seen to go')
      await until(() => bob.sockets.length === 2 && bob.provider.synced, 'the other is back')
      await ada.seesNames(['Ada', 'Bob'])
      assert.equal(bob.sockets.length, 2)
    })

    // A provider forgets the others when its connection ends, but not their clocks, and ignores what is not newer.
    test('a client that comes back sees the others at once', async (t) => {
      const [ada, bob] = await pair(t)
      bob.goOffline()
      await ada.seesNames(['Ada'])
      bob.goOnline()
      await bob.seesNames(['Ada', 'Bob'])
    })

    test('clients see each other at once after the server was restarted', async (t) => {
      const other = await startServer()
      t.after(() => other.close())
      const room = newRoom()
      const clients = []
      for (const name of ['Ada', 'Bob']) clients.push((await join(t, other, { version, room })).announce(name))
      await Promise.all(clients.map((client) => client.seesNames(['Ada', 'Bob'])))
      await other.kill9()
      await until(() => clients.every((client) => !client.provider.wsconnected), 'the clients notice')
      await other.start()
      await Promise.all(clients.map((client) => client.synced()))
      await Promise.all(clients.map((client) => client.seesNames(['Ada', 'Bob'])))
    })

    test('the end of an older connection does not remove the client that is back on a newer one', async (t) => {
      const [ada, bob] = await pair(t)
      const older = bob.socket
      let hasGone = false
      ada.awareness.on('change', ({ removed }) => (hasGone ||= removed.includes(bob.doc.clientID)))
      // The provider lets go of its socket, which stays open: a connection whose end nobody has noticed yet.
      bob.provider.ws = null
      bob.provider.wsconnected = false
      bob.provider.synced = false
      bob.provider.connect()
      await bob.synced()
      older.terminate()
      bob.awareness.setLocalStateField('back', true)
      await until(() => ada.awareness.getStates().get(bob.doc.clientID)?.back, 'the newer connection is seen')
      // An edit goes the same way after the removal would have.
      bob.type('still here')
      await ada.reads('still here')
      assert.equal(hasGone, false)
    })

    test('nobody can end the presence of another', async (t) => {
      const [ada, bob, room] = await pair(t)
      const mallory = await join(t, server, { version, room, as: server.token({ sub: 'mallory' }) })
      await mallory.seesNames(['Ada', 'Bob'])
      const { clock } = mallory.awareness.meta.get(bob.doc.clientID)
      mallory.awareness.meta.set(bob.doc.clientID, { clock: clock + 5, lastUpdated: Date.now() })
      mallory.awareness.states.delete(bob.doc.clientID)
      mallory.awareness.emit('update', [{ added: [], updated: [], removed: [bob.doc.clientID] }, 'local'])
      mallory.type('after the forgery')
      await ada.reads('after the forgery')
      await ada.seesNames(['Ada', 'Bob'])
    })
  })
}

test('rooms do not see each other', async (t) => {
  const [version] = versions
  const ada = (await join(t, server, { version, room: newRoom() })).announce('Ada')
  const bob = (await join(t, server, { version, room: newRoom() })).announce('Bob')
  await Promise.all([ada.acknowledged(), bob.acknowledged()])
  assert.deepEqual([ada.names(), bob.names()], [['Ada'], ['Bob']])
})

test('a reader joins a room of hundreds, and stays', async (t) => {
  const [version] = versions
  const room = newRoom()
  const people = 300
  const state = { user: { name: 'Ada', color: '#30bced', note: 'x'.repeat(250) } }
  // A connection may announce a few states: 30 people share one here.
  for (let first = 0; first < people; first += 30) {
    const socket = await openSocket(server, room, { as: server.token({ sub: `guest-${first}` }) }).opened()
    t.after(() => socket.terminate())
    for (let client = first; client < first + 30; client += 1) socket.send(awarenessFrame(client + 1, 1, state))
  }
  const rita = await join(t, server, { version, room, as: reader() })
  await until(() => rita.awareness.getStates().size > people, 'the reader sees all')
  // Its provider has sent all the states back by now; what comes next shows that it is still heard.
  const ada = await join(t, server, { version, room })
  rita.announce('Rita')
  await until(() => ada.names().includes('Rita'), 'the reader is seen', { state: () => rita.closings() })
  assert.equal(rita.sockets.length, 1)
})

test('a client that is denied sees nobody and is seen by nobody', async (t) => {
  const [version] = versions
  const room = newRoom()
  const ada = (await join(t, server, { version, room })).announce('Ada')
  const as = server.token({ sub: 'eve', rooms: [{ room: 'elsewhere', access: 'write' }] })
  const eve = open(t, server, { version, room, as }).announce('Eve')
  await until(() => eve.sockets[0]?.closed, 'the denied client is closed')
  await ada.acknowledged()
  assert.deepEqual([ada.names(), eve.names()], [['Ada'], ['Eve']])
})
