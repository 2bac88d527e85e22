// Unmodified Hocuspocus providers against the server: what their users do, and what "saved" is worth.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as Y from 'yjs'
import { connect, joinDocument, openDocument, releases } from './support/hocuspocus.mjs'
import { join, newRoom, versions } from './support/client.mjs'
import { onOneServer, startServer } from './support/server.mjs'
import { until } from './support/until.mjs'

let server
before(async () => (server = await startServer()))
after(() => server.close())

async function started(t, options) {
  const own = await startServer(options)
  t.after(() => own.close())
  return own
}

/** The document's text as the store has it. */
async function stored(from, room) {
  const answer = await from.fetch(`/api/v1/rooms/${room}/document?format=text&root=content`)
  return answer.status === 404 ? '' : answer.text()
}

const reader = (from) => from.token({ sub: 'rita', rooms: [{ room: '*', access: 'read' }] })
const stranger = (from) => from.token({ sub: 'eve', rooms: [{ room: 'elsewhere', access: 'write' }] })

/** What is not committed is shown to those alone who are on the same server. */
const beforeTheCommit = onOneServer('people are on several servers, and nothing is committed')

for (const release of releases) {
  describe(release.name, () => {
    test('two people edit one document, and what is said to be saved is stored', async (t) => {
      const room = newRoom()
      const [ada, bob] = await Promise.all(['ada', 'bob'].map((sub) => joinDocument(t, server, { release, room, as: server.token({ sub }) })))
      await Promise.all([ada.saved(), bob.saved()])
      ada.type('from Ada')
      await bob.reads('from Ada')
      bob.type(', from Bob')
      await ada.reads('from Ada, from Bob')
      await Promise.all([ada.saved(), bob.saved()])
      assert.equal(await stored(server, room), 'from Ada, from Bob')
      assert.deepEqual([ada.scopes.at(-1), ada.provider.isAuthenticated], ['read-write', true])
      for (const client of [ada, bob]) assert.ok(Math.min(...client.counts) >= 0, `no status too many: ${client.counts}`)
    })

    test('what was typed before the connection opens is stored once it is said to be saved', async (t) => {
      const room = newRoom()
      const ada = openDocument(t, server, { release, room })
      for (let i = 0; i < 50; i += 1) ada.type('a')
      await ada.saved()
      assert.equal(await stored(server, room), 'a'.repeat(50))
      ada.type('b')
      await ada.saved()
      assert.equal(await stored(server, room), `${'a'.repeat(50)}b`)
      assert.ok(Math.min(...ada.counts) >= 0, `no status too many: ${ada.counts}`)
    })

    test('edits made offline arrive at the reconnect, and the count comes to zero exactly once', async (t) => {
      const room = newRoom()
      const ada = await joinDocument(t, server, { release, room })
      const bob = await joinDocument(t, server, { release, room })
      ada.type('online, ')
      await Promise.all([ada.saved(), bob.reads('online, ')])
      await ada.connection.goOffline()
      for (const word of ['off', 'line', '!!']) ada.type(word)
      ada.text.delete(ada.text.length - 1, 1)
      bob.type('Bob: ', 0)
      ada.counts.length = 0
      ada.connection.goOnline()
      await Promise.all([ada, bob].map((client) => client.reads('Bob: online, offline!')))
      await ada.saved()
      assert.equal(await stored(server, room), 'Bob: online, offline!')
      await bob.type('.').saved()
      await ada.reads('Bob: online, offline!.')
      assert.deepEqual(ada.counts.filter((count) => count <= 0), [0], `counts ${ada.counts}`)
    })

    test('a reader reads, is seen, and is never told that its edits are saved', async (t) => {
      const room = newRoom()
      const ada = await joinDocument(t, server, { release, room })
      await ada.type('written').saved()
      const rita = await joinDocument(t, server, { release, room, as: reader(server) })
      await rita.reads('written')
      await rita.saved()
      assert.deepEqual(rita.scopes, ['readonly'])
      rita.announce('Rita')
      await ada.seesNames(['Rita'])
      rita.type(' scribbled')
      ada.type(' more')
      await until(() => rita.content().includes('more'), 'the reader goes on reading')
      await ada.saved()
      assert.equal(ada.content(), 'written more')
      assert.equal(rita.isSaved, false)
      assert.equal(await stored(server, room), 'written more')
      assert.equal(rita.connection.sockets.length, 1)
    })

    test('what a reader typed offline stays unsaved', async (t) => {
      const room = newRoom()
      const rita = openDocument(t, server, { release, room, as: reader(server) })
      rita.type('scribbled')
      await rita.synced()
      const ada = await joinDocument(t, server, { release, room })
      await ada.type('written').saved()
      await until(() => rita.content().includes('written'), 'the reader goes on reading')
      assert.deepEqual([rita.isSaved, await stored(server, room)], [false, 'written'])
    })

    test('what a reader deleted offline stays unsaved for as long as the room has it', async (t) => {
      const room = newRoom()
      const ada = await joinDocument(t, server, { release, room })
      await ada.type('written by Ada').saved()
      const rita = await joinDocument(t, server, { release, room, as: reader(server) })
      await rita.reads('written by Ada')
      await rita.saved()
      const comesBack = async () => {
        rita.counts.length = 0
        await rita.connection.goOffline()
        return () => {
          rita.connection.goOnline()
          return until(() => rita.provider.isSynced && rita.counts.length > 0, 'the reader is back')
        }
      }
      const untouched = await comesBack()
      await untouched()
      await rita.saved()

      const changed = await comesBack()
      rita.text.delete(7, 7)
      rita.counts.length = 0
      await changed()
      await until(() => server.log.split('\n').some((line) => line.includes('edit refused') && line.includes(room)), 'the deletion is refused')
      assert.deepEqual([rita.isSaved, rita.content(), await stored(server, room)], [false, 'written', 'written by Ada'])

      ada.text.delete(7, 7)
      await ada.saved()
      const alike = await comesBack()
      await alike()
      await rita.saved()
      assert.equal(rita.content(), await stored(server, room))
    })

    test('a denied document can be opened with another token on the same socket', async (t) => {
      const room = newRoom()
      const ada = await joinDocument(t, server, { release, room })
      await ada.type('secret').saved()
      const connection = connect(t, server, { release })
      const eve = openDocument(t, server, { connection, room, as: stranger(server) })
      await eve.denied()
      assert.deepEqual([eve.denials, eve.content(), eve.isSaved], [['permission-denied'], '', false])
      eve.type('hopeful ')
      eve.as = server.token({ sub: 'eve' })
      // 2.15 detaches a denied provider.
      if (release.renewsTokens) eve.provider.sendToken()
      else eve.provider.connect()
      await until(() => eve.content().includes('secret'), 'the document comes')
      await eve.saved()
      await until(() => ada.content().includes('hopeful'), 'what was typed meanwhile comes, too')
      assert.equal(await stored(server, room), eve.content())
      assert.deepEqual([connection.sockets.length, connection.socket.closed], [1, null])
    })

    test('two documents share a socket, each with a token of its own, and one can be left', async (t) => {
      const [rooms, connection] = [[newRoom(), newRoom()], connect(t, server, { release })]
      const [one, two] = rooms.map((room) =>
        openDocument(t, server, { connection, room, as: server.token({ rooms: [{ room, access: 'write' }] }) }),
      )
      await Promise.all([one.synced(), two.synced()])
      const other = await joinDocument(t, server, { release, room: rooms[0] })
      await one.announce('One').type('one').saved()
      await two.type('two').saved()
      await other.seesNames(['One'])
      assert.deepEqual(await Promise.all(rooms.map((room) => stored(server, room))), ['one', 'two'])
      one.close()
      await other.seesNames([])
      await other.type(' alone').saved()
      await two.type(' goes on').saved()
      assert.equal(one.content(), 'one')
      assert.equal(await stored(server, rooms[1]), 'two goes on')
      assert.equal(connection.sockets.length, 1)
    })

    test('awareness goes both ways, and whoever leaves is gone', async (t) => {
      const room = newRoom()
      const ada = (await joinDocument(t, server, { release, room })).announce('Ada')
      const bob = (await joinDocument(t, server, { release, room, as: server.token({ sub: 'bob' }) })).announce('Bob')
      await Promise.all([ada, bob].map((client) => client.seesNames(['Ada', 'Bob'])))
      await bob.connection.goOffline()
      await ada.seesNames(['Ada'])
      bob.connection.goOnline()
      await Promise.all([ada, bob].map((client) => client.seesNames(['Ada', 'Bob'])))
      bob.close()
      await ada.seesNames(['Ada'])
    })

    test('stateless messages reach the others, and no reader sends any', async (t) => {
      const room = newRoom()
      const [ada, bob] = await Promise.all(['ada', 'bob'].map((sub) => joinDocument(t, server, { release, room, as: server.token({ sub }) })))
      const rita = await joinDocument(t, server, { release, room, as: reader(server) })
      rita.provider.sendStateless('from a reader')
      // Behind it on the same connection: once this is seen, that was handled.
      rita.announce('Rita')
      await ada.seesNames(['Rita'])
      ada.provider.sendStateless('hello, ädä')
      await until(() => bob.stateless.length > 0 && rita.stateless.length > 0, 'the others get it')
      assert.deepEqual([ada.stateless, bob.stateless, rita.stateless], [[], ['hello, ädä'], ['hello, ädä']])
    })

    test('a document of 2 MB travels, and is saved', async (t) => {
      const room = newRoom()
      const ada = await joinDocument(t, server, { release, room })
      const text = 'x'.repeat(2_000_000)
      await ada.type(text).saved()
      const bob = await joinDocument(t, server, { release, room })
      assert.ok(bob.content() === text)
      await bob.saved()
    })

    test('after kill -9 the provider comes back by itself, and nothing is lost', async (t) => {
      const own = await started(t)
      const room = newRoom()
      const [ada, bob] = await Promise.all([joinDocument(t, own, { release, room }), joinDocument(t, own, { release, room })])
      await ada.type('before; ').saved()
      await own.kill9()
      ada.type('meanwhile')
      assert.equal(ada.isSaved, false)
      await own.start()
      await bob.reads('before; meanwhile')
      await ada.saved()
      await own.kill9()
      await own.start()
      assert.equal(await stored(own, room), 'before; meanwhile')
    })

    test('whenever the count comes to zero, kill -9 finds everything stored', async (t) => {
      const own = await started(t, { store: 'postgres' })
      const room = newRoom()
      const ada = openDocument(t, own, { release, room })
      for (let round = 0; round < 3; round += 1) {
        // Offline typing, typing while the connection opens, and typing in several transactions of the store.
        for (let i = 0; i < 20; i += 1) ada.type(`${i} `)
        const typing = setInterval(() => ada.type('t'), 1)
        let hasBeenSaved = false
        const killed = new Promise((resolve) => {
          const look = (data) => {
            if ((data.number ?? data) > 0) return
            hasBeenSaved = true
            const text = ada.content()
            resolve(own.kill9().then(() => text))
            ada.provider.off('unsyncedChanges', look)
          }
          ada.provider.on('unsyncedChanges', look)
        })
        // Killed at once, it may be synced no longer.
        await until(() => ada.provider.isSynced || hasBeenSaved, 'the provider is synced')
        clearInterval(typing)
        const text = await killed
        await own.start()
        const kept = await stored(own, room)
        assert.equal(kept, text)
      }
    })

    test('while the store fails nothing is said to be saved; when it is back, everything is', beforeTheCommit, async (t) => {
      const own = await started(t, { store: 'postgres' })
      const room = newRoom()
      const [ada, bob] = await Promise.all([joinDocument(t, own, { release, room }), joinDocument(t, own, { release, room })])
      await ada.type('before; ').saved()
      await own.inDatabase('alter table entry rename to entry_away')
      ada.type('meanwhile')
      await bob.reads('before; meanwhile')
      await until(() => own.log.includes('not committed yet'), 'the store has refused')
      assert.equal(ada.isSaved, false)
      await own.inDatabase('alter table entry_away rename to entry')
      await ada.saved()
      assert.equal(await stored(own, room), 'before; meanwhile')
      assert.equal(ada.connection.sockets.length, 1)
    })

    test('what is typed before a slow token comes is stored, also where it is long, on the first connection', async (t) => {
      const room = newRoom()
      let hand
      const as = () => new Promise((resolve) => (hand = () => resolve(server.token())))
      const ada = openDocument(t, server, { release, room, as })
      const text = 'typed while the token is fetched '.repeat(10_000)
      await until(() => hand, 'a token is asked for')
      ada.type(text)
      hand()
      await ada.saved()
      assert.equal(await stored(server, room), text)
      assert.deepEqual([ada.connection.sockets.length, ada.connection.socket.closed], [1, null])
    })

    test('a room that cannot be loaded opens later, and the documents beside it on the connection go on', beforeTheCommit, async (t) => {
      const own = await started(t, { store: 'postgres' })
      const connection = connect(t, own, { release })
      const [warm, cold] = [newRoom(), newRoom()]
      const ada = await openDocument(t, own, { release, connection, room: warm }).synced()
      const bob = await joinDocument(t, own, { release, room: warm })
      await ada.type('one ').saved()
      await own.inDatabase('alter table room rename to room_away')
      const late = openDocument(t, own, { release, connection, room: cold })
      late.type('typed meanwhile')
      await until(() => own.log.includes('room cannot be loaded'), 'the room was tried')
      ada.type('two')
      await bob.reads('one two')
      assert.deepEqual([late.provider.isSynced, late.isSaved, late.denials], [false, false, []])
      await own.inDatabase('alter table room_away rename to room')
      await Promise.all([late.saved(), ada.saved()])
      assert.equal(await stored(own, cold), 'typed meanwhile')
      assert.equal(connection.sockets.length, 1)
    })

    test('nobody sees themselves leave a new room', async (t) => {
      const room = newRoom()
      const people = ['ada', 'bob'].map((sub) => openDocument(t, server, { release, room, as: server.token({ sub }) }))
      const left = people.flatMap((client) => {
        const removed = []
        client.awareness.on('change', (change) => removed.push(...change.removed.map((id) => [client.room, id])))
        return [removed]
      })
      for (const client of people) client.awareness.setLocalStateField('user', { name: 'someone' })
      await Promise.all(people.map((client) => client.synced()))
      await until(() => people.every(({ awareness }) => awareness.getStates().size === 2), 'both see both')
      await Promise.all(people.map((client) => client.type('x').saved()))
      assert.deepEqual(left, [[], []])
    })
  })
}

for (const release of releases.filter(({ renewsTokens }) => renewsTokens)) {
  describe(`tokens of ${release.name}`, () => {
    test('a token is asked for before its end, and the connection stays', async (t) => {
      const room = newRoom()
      const ada = await joinDocument(t, server, { release, room, as: () => server.token({ ttl: 4 }) })
      await until(() => ada.tokensAsked >= 3, 'a token was asked for twice more')
      await ada.type('still here').saved()
      assert.deepEqual([ada.connection.sockets.length, ada.connection.socket.closed], [1, null])
      assert.equal(await stored(server, room), 'still here')
    })

    test('a token that is not renewed ends with 4504, and the provider comes back', async (t) => {
      const own = await started(t, { args: ['--jwt-leeway-s', '0'] })
      let asked = 0
      const as = () => {
        asked += 1
        // Asked for the second one, whoever makes tokens does not answer.
        return asked === 2 ? new Promise(() => {}) : own.token({ ttl: asked === 1 ? 5 : 3600 })
      }
      const ada = await joinDocument(t, own, { release, room: newRoom(), as })
      await until(() => ada.connection.sockets[0].closed, 'the connection ends')
      assert.equal(ada.connection.sockets[0].closed.code, 4504)
      await until(() => ada.connection.sockets.length === 2, 'the provider comes back')
      await ada.type('back').saved()
    })

    test('a role changes on the live connection, both ways, and what was refused is saved after all', async (t) => {
      const room = newRoom()
      const as = (access) => server.token({ sub: 'rita', rooms: [{ room: '*', access }] })
      const rita = await joinDocument(t, server, { release, room, as: as('read') })
      rita.type('refused at first')
      rita.as = as('write')
      rita.provider.sendToken()
      await rita.saved()
      assert.deepEqual([rita.scopes, await stored(server, room)], [['readonly', 'read-write'], 'refused at first'])
      rita.as = as('read')
      rita.provider.sendToken()
      await until(() => rita.scopes.length === 3, 'the role is changed')
      rita.type('; refused')
      const ada = await joinDocument(t, server, { release, room })
      await ada.type('Ada: ', 0).saved()
      await until(() => rita.content().startsWith('Ada: '), 'the reader goes on reading')
      assert.deepEqual([rita.isSaved, await stored(server, room)], [false, 'Ada: refused at first'])
      assert.deepEqual([rita.scopes.at(-1), rita.connection.sockets.length], ['readonly', 1])
    })

    test('rights that are lost end the document at once; found again, it is whole again', async (t) => {
      const room = newRoom()
      const eve = await joinDocument(t, server, { release, room, as: server.token({ sub: 'eve' }) })
      await eve.type('begun').saved()
      eve.as = stranger(server)
      eve.provider.sendToken()
      await eve.denied()
      const ada = await joinDocument(t, server, { release, room })
      await ada.type(', gone on').saved()
      eve.type('; meanwhile')
      eve.as = server.token({ sub: 'eve' })
      eve.provider.sendToken()
      await until(() => eve.content().includes('gone on'), 'the document comes')
      await eve.saved()
      assert.equal(await stored(server, room), eve.content())
      assert.equal(eve.connection.sockets.length, 1)
    })
  })
}

for (const release of releases.filter(({ hasSessions }) => hasSessions)) {
  test(`two providers of ${release.name} share a document on one socket, by session`, async (t) => {
    const [room, connection] = [newRoom(), connect(t, server, { release })]
    const [one, two] = ['One', 'Two'].map((name) => openDocument(t, server, { connection, room, sessionAwareness: true }).announce(name))
    await Promise.all([one.synced(), two.synced()])
    await one.type('one ').saved()
    await two.reads('one ')
    await two.type('two').saved()
    await one.reads('one two')
    await Promise.all([one, two].map((client) => client.seesNames(['One', 'Two'])))
    one.close()
    await two.seesNames(['Two'])
    await two.type('!').saved()
    assert.deepEqual([await stored(server, room), connection.sockets.length], ['one two!', 1])
  })

  test(`a provider of ${release.name} that gathers its edits is told of each as often as it counts`, async (t) => {
    const room = newRoom()
    const ada = openDocument(t, server, { release, room, flushDelay: 2_000 })
    const statuses = () => ada.connection.socket.received.filter((frame) => frame.at(-2) === 8 && frame.at(-1) === 1).length
    // The batch begins before the connection, and goes out long after the first sync: the count has forgotten it.
    ada.type('while it opens')
    await ada.synced()
    await ada.saved()
    await until(() => ada.provider.pendingUpdates.length === 0, 'the batch is sent')
    await ada.type('!').saved()
    assert.equal(await stored(server, room), 'while it opens!')
    assert.equal(statuses(), 2)
  })
}

for (const release of releases) {
  for (const version of versions) {
    test(`${release.name} and ${version.name} meet in one room, and each is told the truth`, beforeTheCommit, async (t) => {
      const own = await started(t, { store: 'postgres' })
      const room = newRoom()
      const tiptap = (await joinDocument(t, own, { release, room, as: own.token({ sub: 'ada' }) })).announce('Ada')
      const code = (await join(t, own, { version, room, as: own.token({ sub: 'bob' }) })).announce('Bob')
      await tiptap.type('from Hocuspocus, ').saved()
      await code.reads('from Hocuspocus, ')
      code.type('from y-websocket')
      await code.acknowledged()
      await tiptap.reads('from Hocuspocus, from y-websocket')
      await Promise.all([tiptap, code].map((client) => client.seesNames(['Ada', 'Bob'])))
      await own.inDatabase('alter table entry rename to entry_away')
      const acknowledged = code.type('!').acknowledged()
      await tiptap.reads('from Hocuspocus, from y-websocket!')
      tiptap.type('?')
      await code.reads('from Hocuspocus, from y-websocket!?')
      await until(() => own.log.includes('not committed yet'), 'the store has refused')
      assert.equal(tiptap.isSaved, false)
      await own.inDatabase('alter table entry_away rename to entry')
      await Promise.all([tiptap.saved(), acknowledged])
      assert.equal(await stored(own, room), 'from Hocuspocus, from y-websocket!?')
      const history = await (await own.fetch(`/api/v1/rooms/${room}/history`)).json()
      assert.deepEqual(new Set(history.entries.map((entry) => entry.author)), new Set(['ada', 'bob']))
      tiptap.close()
      await code.seesNames(['Bob'])
    })
  }
}

test('one document on two connections of one editor is saved once both say so', async (t) => {
  const room = newRoom()
  const doc = new Y.Doc()
  const [one, two] = await Promise.all(releases.slice(0, 2).map((release) => joinDocument(t, server, { release, room, doc })))
  one.type('shown twice')
  await Promise.all([one.saved(), two.saved()])
  assert.equal(await stored(server, room), 'shown twice')
})
