// Unmodified providers that bring another user's typing: as a page does that keeps its document for who signs in next, or that is
// also connected to others (y-webrtc). And a program that pretends to be another's editor.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as Y from 'yjs'
import { join, newRoom, versions } from './support/client.mjs'
import { isAwareness, queryAwareness, updateFrame } from './support/frames.mjs'
import { joinDocument, releases } from './support/hocuspocus.mjs'
import { startServer } from './support/server.mjs'
import { until } from './support/until.mjs'

let server
before(async () => (server = await startServer()))
after(() => server?.close())

/** How people come in by each protocol, come and go, and know that all is saved. */
const protocols = [
  ...versions.map((version) => ({
    name: version.name,
    join: (t, options) => join(t, server, { version, ...options }),
    goOffline: (client) => client.goOffline(),
    goOnline: (client) => client.goOnline(),
    async saved(client) {
      await client.synced()
      await client.acknowledged()
    },
  })),
  ...releases.map((release) => ({
    name: release.name,
    join: (t, options) => joinDocument(t, server, { release, ...options }),
    goOffline: (client) => client.connection.goOffline(),
    goOnline: (client) => client.connection.goOnline(),
    async saved(client) {
      await client.saved()
      assert.ok(Math.min(...client.counts) >= 0, `no status too many: ${client.counts}`)
    },
  })),
]

const as = (sub) => server.token({ sub })

async function stored(room) {
  const answer = await server.fetch(`/api/v1/rooms/${room}/document?format=text&root=content`)
  return answer.text()
}

/** Whose each entry is, and who sent it. */
async function senders(room) {
  const { entries } = await (await server.fetch(`/api/v1/rooms/${room}/history`)).json()
  return entries.map(({ author, via }) => (via ? `${author} via ${via}` : author))
}

for (const protocol of protocols) {
  describe(protocol.name, () => {
    test('a document that is kept for who signs in next goes on, and all of it is saved', async (t) => {
      const room = newRoom()
      const ada = await protocol.join(t, { room, as: as('ada') })
      ada.announce('Ada').type('Ada, ')
      await protocol.saved(ada)
      await protocol.goOffline(ada)
      ada.type('offline, ')
      const bob = await protocol.join(t, { room, as: as('bob'), doc: ada.doc })
      const carol = await protocol.join(t, { room, as: as('carol') })
      bob.announce('Bob')
      for (const word of ['Bob, ', 'still ', 'Bob, ']) await carol.reads(bob.type(word).content())
      for (const letter of 'and all at once') bob.type(letter)
      bob.text.delete(0, 5)
      await carol.reads('offline, Bob, still Bob, and all at once')
      await protocol.saved(bob)
      assert.equal(await stored(room), 'offline, Bob, still Bob, and all at once')
      const [first, ...rest] = await senders(room)
      assert.equal(first, 'ada')
      assert.ok(rest.every((sender) => ['ada via bob', 'bob'].includes(sender)), rest.join())
    })

    test('who forwards what another types offline brings all of it, with what they type themselves', async (t) => {
      const room = newRoom()
      const ada = await protocol.join(t, { room, as: as('ada') })
      const bob = await protocol.join(t, { room, as: as('bob') })
      const carol = await protocol.join(t, { room, as: as('carol') })
      ada.type('Ada: ')
      await Promise.all([protocol.saved(ada), bob.reads('Ada: ')])
      await protocol.goOffline(ada)
      // As y-webrtc does between the two.
      const webrtc = {}
      const pass = (from, to) => from.doc.on('update', (update, origin) => origin !== webrtc && Y.applyUpdate(to.doc, update, webrtc))
      pass(ada, bob)
      pass(bob, ada)
      for (let i = 0; i < 20; i += 1) {
        ada.type(`a${i} `)
        bob.type(`b${i} `)
        if (i % 7 === 0) await carol.reads(bob.content())
      }
      await carol.reads(bob.content())
      await protocol.saved(bob)
      assert.equal(await stored(room), ada.content())
      protocol.goOnline(ada)
      ada.type('back')
      await carol.reads(ada.content())
      await protocol.saved(ada)
      assert.equal(await stored(room), bob.content())
    })
  })
}

test('who pretends to be an absent editor takes nothing of what that one types meanwhile', async (t) => {
  const [version] = versions
  const room = newRoom()
  const ada = await join(t, server, { version, room, as: as('ada') })
  const mallory = await join(t, server, { version, room, as: as('mallory') })
  ada.type('hello')
  await Promise.all([ada.acknowledged(), mallory.reads('hello')])
  ada.goOffline()
  ada.type(', typed offline')
  // A hundred more letters of Ada's, which are gone.
  const number = (value) => (value > 127 ? [(value % 128) | 128, ...number(Math.floor(value / 128))] : [value])
  const { ws } = mallory.provider
  ws.send(updateFrame(Uint8Array.from([1, 1, ...number(ada.doc.clientID), 5, 0, 100, 0])))
  let isHandled = false
  ws.on('frame', (frame) => (isHandled ||= isAwareness(frame)))
  ws.send(queryAwareness)
  await until(() => isHandled, 'the server has handled that')
  ada.goOnline()
  await mallory.reads('hello, typed offline')
  await ada.acknowledged()
  assert.equal(await stored(room), 'hello, typed offline')
  assert.deepEqual(await senders(room), ['ada', 'ada'])
})
