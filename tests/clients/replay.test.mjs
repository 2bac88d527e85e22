// Real people's typing through the server, and what it still knows after it was killed.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as Y from 'yjs'
import { Client, join, newRoom, versions } from './support/client.mjs'
import { stores } from './support/database.mjs'
import { concurrentEdits, recording, Typist } from './support/recordings.mjs'
import { startServer } from './support/server.mjs'
import { until } from './support/until.mjs'

// A debug build on two busy cores needs most of this.
const patient = { withinMs: 400_000 }
const keysBetweenPauses = 64
const keysBetweenAcknowledgements = 4_096

const pause = () => new Promise(setImmediate)

test('the recording of two people, merged without a server, gives its text', () => {
  const session = recording('friendsforever')
  const doc = new Y.Doc()
  const [first, second] = concurrentEdits(session)
  const merge = (author, other) => {
    const hasSeen = ({ seen }) => Y.getState(doc.store, other.clientId) >= seen
    while (author.edits.length > 0 && hasSeen(author.edits[0])) Y.applyUpdate(doc, author.edits.shift().update)
  }
  while (first.edits.length + second.edits.length > 0) {
    merge(first, second)
    merge(second, first)
  }
  assert.equal(doc.getText('content').toString(), session.endContent)
})

/** Sends what one author typed, each edit after what the author had seen of the other's. */
async function replay(client, { edits }, other) {
  for (const [i, { update, seen }] of edits.entries()) {
    const hasSeen = () => Y.getState(client.doc.store, other.clientId) >= seen
    if (!hasSeen()) await until(hasSeen, `the other's edits up to ${seen} arrive`, patient)
    else if (i % keysBetweenPauses === 0) await pause()
    Y.applyUpdate(client.doc, update, 'typed')
  }
  await client.acknowledged(patient)
}

for (const [i, store] of stores.entries()) {
  // Each release of the provider replays on one of the stores.
  const version = versions[i % versions.length]

  describe(`real typing on ${store}, ${version.name}`, () => {
    test('two people who typed at once both end at the recorded text, and so does a third after kill -9', async (t) => {
      const session = recording('friendsforever')
      const authors = concurrentEdits(session)
      const server = await startServer({ store, logLevel: 'info' })
      t.after(() => server.close())
      const room = newRoom()
      const clients = []
      for (const sub of ['ada', 'bob']) clients.push(await join(t, server, { version, room, as: server.token({ sub }) }))
      const [ada, bob] = clients
      await Promise.all([replay(ada, authors[0], authors[1]), replay(bob, authors[1], authors[0])])
      await Promise.all(clients.map((client) => client.reads(session.endContent, patient)))
      assert.deepEqual([ada.sockets.length, bob.sockets.length], [1, 1], 'nobody had to reconnect')
      await server.kill9()
      for (const client of clients) client.close()
      await server.start()
      const third = await join(t, server, { version, room })
      assert.equal(third.content(), session.endContent)
    })

    test('an article that one person typed is opened by another', async (t) => {
      const { startContent, endContent, txns } = recording('seph-blog1')
      assert.equal(startContent, '')
      const server = await startServer({ store, logLevel: 'info' })
      t.after(() => server.close())
      const room = newRoom()
      const author = new Client(server, { version, room })
      t.after(() => author.close())
      await author.synced()
      const typist = new Typist(author.text)
      for (const [key, { patches }] of txns.entries()) {
        typist.type(patches)
        if (key % keysBetweenAcknowledgements === 0) await author.acknowledged(patient)
        else if (key % keysBetweenPauses === 0) await pause()
      }
      assert.equal(author.content(), endContent)
      await author.acknowledged(patient)
      assert.equal(author.sockets.length, 1)
      const reader = await join(t, server, { version, room })
      assert.equal(reader.content(), endContent)
    })
  })
}
