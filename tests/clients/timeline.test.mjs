// One timeline on each store: what JSON clients say and Yjs clients type, to readers who drop and to servers that are killed.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { join, versions } from './support/client.mjs'
import { stores } from './support/database.mjs'
import { JsonClient } from './support/json.mjs'
import { startServer } from './support/server.mjs'
import { until } from './support/until.mjs'

const room = 'docs/timeline'
const args = ['--rate-socket', '100000', '--rate-user', '100000', '--rate-room', '100000', '--rate-address', '1000000']
const entryTypes = new Set(['chat.message', 'order.updated', 'edit'])

/** Someone who reads the room, drops again and again, and goes on behind the last entry. */
class Reader {
  got = []
  #isOver = false

  constructor(server, edits, stayMessages) {
    this.reading = this.#read(server, edits, stayMessages)
  }

  async #read(server, edits, stayMessages) {
    while (!this.#isOver) {
      const client = new JsonClient(server, { as: server.token({ sub: 'reader' }) })
      client.socket.on('message', () => {
        const message = client.heard.at(-1)
        if (entryTypes.has(message.type)) this.got.push(message)
      })
      try {
        await client.opened()
        const joined = await client.joins(room, { since: this.last, edits })
        assert.equal(joined.recovered, true)
        await until(() => this.#isOver || client.closed || client.heard.length > stayMessages, 'it is time to drop', { withinMs: 300_000 })
      } catch (error) {
        // The server is being killed.
        if (client.closed === null) throw error
      }
      client.socket.removeAllListeners('message')
      client.drop()
    }
  }

  get last() {
    return this.got.at(-1)?.seq ?? 0
  }

  async ends() {
    this.#isOver = true
    await this.reading
  }
}

/** Says numbered messages with keys, each again until it is known to be saved. */
async function speak(server, sub, count, seqs) {
  let client = null
  for (let number = 0; number < count; ) {
    try {
      if (client === null || client.closed !== null) {
        client = new JsonClient(server, { as: server.token({ sub }) })
        await client.opened()
        const joined = await client.joins(room)
        assert.equal(joined.type, 'room.joined')
      }
      const type = number % 3 === 0 ? { type: 'order.updated', payload: number } : { type: 'chat.message', text: `${sub} ${number}` }
      const answer = await client.ask({ ...type, room, key: `${sub} ${number}` })
      if (answer.type === 'saved') {
        seqs.set(`${sub} ${number}`, answer.seq)
        number += 1
      }
      client.heard.length = 0
    } catch (error) {
      if (client.closed === null) throw error
    }
  }
  client.drop()
}

for (const store of stores) {
  describe(store, () => {
    test('every entry comes to every reader exactly once, over drops and kill -9', { timeout: 600_000 }, async (t) => {
      const server = await startServer({ store, args, logLevel: 'info' })
      t.after(() => server.close())
      const editor = await join(t, server, { version: versions[0], room })
      editor.provider.maxBackoffTime = 100
      const typing = setInterval(() => editor.type('x'), 5)
      const readers = [new Reader(server, true, 40), new Reader(server, true, 300), new Reader(server, false, 100)]
      const seqs = new Map()
      const speaking = Promise.all(['ada', 'bob', 'cleo'].map((sub) => speak(server, sub, 250, seqs)))
      for (const said of [150, 300, 450]) {
        await until(() => seqs.size >= said, `${said} messages are saved`, { withinMs: 300_000 })
        await server.kill9()
        await server.start()
      }
      await speaking
      clearInterval(typing)
      await editor.synced()
      await editor.acknowledged()
      const { seq: head } = await (await server.fetch(`/api/v1/rooms/${room}`)).json()
      const said = new JsonClient(server)
      await said.opened()
      await said.joins(room)
      const { seq: last } = await said.ask({ type: 'chat.message', room, text: 'the end' })
      said.drop()
      const lasts = () => readers.map((reader) => reader.last)
      await until(() => lasts().every((seq) => seq === last), 'all readers have everything', { state: lasts })
      await Promise.all(readers.map((reader) => reader.ends()))

      assert.equal(last, head + 1)
      const everything = Array.from({ length: last }, (_, i) => i + 1)
      for (const reader of readers.slice(0, 2)) assert.deepEqual(reader.got.map(({ seq }) => seq), everything)
      const but = readers[0].got.filter(({ type }) => type !== 'edit').map(({ seq }) => seq)
      assert.deepEqual(readers[2].got.map(({ seq }) => seq), but)
      // Said once each, and where their authors were told.
      const kept = readers[0].got.filter(({ type, user }) => type !== 'edit' && user !== 'reader')
      assert.equal(kept.length, 751)
      assert.equal(new Set(seqs.values()).size, 750)
      for (const { seq, text, user, payload } of kept.slice(0, -1)) assert.equal(seqs.get(text ?? `${user} ${payload}`), seq)
    })
  })
}
