// A server that asks the application's back end for the first content of a document.

import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import * as Y from 'yjs'
import { join, newRoom, open, versions } from './support/client.mjs'
import { serverCount, stores } from './support/database.mjs'
import { startServer } from './support/server.mjs'
import { token } from './support/token.mjs'
import { until } from './support/until.mjs'

const [version] = versions
const key = randomBytes(32)

/** A back end: `answers` by room. */
async function startBackEnd () {
  const answers = new Map()
  const asked = []
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://back.end')
    const room = url.searchParams.get('room')
    const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = request.headers
    const expected = `v1,${createHmac('sha256', key).update(`${id}.${at}.${room}`).digest('base64')}`
    asked.push({ room, path: url.pathname, isSigned: signature === expected && Math.abs(Date.now() / 1000 - Number(at)) < 60 })
    const answer = answers.get(room)
    if (!answer) return response.writeHead(404).end()
    answer(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const of = (room) => asked.filter((one) => one.room === room)
  return { answers, of, url: `http://127.0.0.1:${server.address().port}/seed?v=1`, close: () => { server.closeAllConnections(); server.close() } }
}
const says = (body, headers) => (response) => response.writeHead(200, headers).end(body)

for (const store of stores) {
  describe(`first contents on ${store}`, () => {
    let server
    let backEnd
    before(async () => {
      backEnd = await startBackEnd()
      server = await startServer({ store, args: ['--seed-url', backEnd.url, '--seed-secret', `whsec_${key.toString('base64')}`, '--document-bytes-max', '1048576', '--room-idle-ms', '100'] })
    })
    after(async () => {
      await server.close()
      backEnd.close()
    })
    /** Each server asks where nothing is stored yet; what is stored first counts. */
    const isAskedOncePerServer = (room) => {
      const asked = backEnd.of(room)
      assert.ok(asked.length >= 1 && asked.length <= serverCount, `${asked.length} questions to ${serverCount} servers`)
      for (const one of asked) assert.deepEqual(one, { room, path: '/seed', isSigned: true })
      return asked.length
    }
    const history = async (room) => (await (await server.fetch(`/api/v1/rooms/${room}/history`)).json()).entries ?? []

    test('however many open a document at once, its first content is there once', async (t) => {
      const room = newRoom()
      backEnd.answers.set(room, says('From the database', { 'content-type': 'text/plain', 'tutti-root': 'content' }))
      const people = await Promise.all(Array.from({ length: 6 }, () => join(t, server, { version, room })))
      for (const person of people) await person.reads('From the database')
      people[0].type('!')
      for (const person of people) await person.reads('From the database!')
      await people[0].acknowledged()
      isAskedOncePerServer(room)
      assert.deepEqual((await history(room)).map(({ author, seq }) => [author, seq]), [['tutti/seed', 1], ['ada', 2]])
    })

    test('a content may come in every format that can be written', async (t) => {
      const update = (() => {
        const doc = new Y.Doc()
        doc.getText('content').insert(0, 'yjs')
        return doc
      })()
      for (const [body, headers, expected] of [
        [Y.encodeStateAsUpdate(update), {}, (doc) => doc.getText('content').toString() === 'yjs'],
        [Y.encodeStateAsUpdateV2(update), { 'tutti-format': 'yjs-v2' }, (doc) => doc.getText('content').toString() === 'yjs'],
        ['{"content":"json","list":[1,{"a":2}]}', { 'content-type': 'application/json; charset=utf-8' }, (doc) => JSON.stringify(doc.getArray('list').toJSON()) === '[1,{"a":2}]' && doc.getText('content').toString() === 'json'],
        ['{"type":"doc","content":[{"type":"paragraph","content":[{"type":"text","text":"p"}]}]}', { 'tutti-format': 'prosemirror', 'tutti-root': 'x' }, (doc) => doc.getXmlFragment('x').toString() === '<paragraph>p</paragraph>'],
      ]) {
        const room = newRoom()
        backEnd.answers.set(room, says(body, headers))
        const person = await join(t, server, { version, room })
        await until(() => expected(person.doc), `it is there: ${JSON.stringify(headers)}`)
        assert.equal((await history(room)).length, 1)
      }
    })

    test('a document of which the back end knows nothing begins empty, and is asked for no more', async (t) => {
      const room = newRoom()
      backEnd.answers.set(room, (response) => response.writeHead(204).end())
      const person = await join(t, server, { version, room })
      await person.reads('')
      const other = await join(t, server, { version, room })
      await other.reads('')
      person.type('mine')
      await person.acknowledged()
      await other.reads('mine')
      const asked = isAskedOncePerServer(room)
      for (const one of [person, other]) one.close()
      backEnd.answers.set(room, says('late', { 'tutti-format': 'text', 'tutti-root': 'content' }))
      await until(() => server.log.split('\n').some((line) => line.includes('room unloaded') && line.includes(room)), 'the room ends')
      await (await join(t, server, { version, room })).reads('mine')
      assert.equal(backEnd.of(room).length, asked, 'a document that is there is not asked for')
    })

    test('a reader alone asks nothing and makes nothing; the first writer does', async (t) => {
      const room = newRoom()
      backEnd.answers.set(room, says('seeded', { 'tutti-format': 'text', 'tutti-root': 'content' }))
      const reader = await join(t, server, { version, room, as: token({ sub: 'rita', rooms: [{ room: '*', access: 'read' }] }) })
      await reader.reads('')
      assert.equal(backEnd.of(room).length, 0)
      assert.equal((await server.fetch(`/api/v1/rooms/${room}`)).status, 404)
      await (await join(t, server, { version, room })).reads('seeded')
      await reader.reads('seeded')
    })

    test('anything else than an answer refuses writers for now, and never leaves them an empty document', async (t) => {
      const wrong = [
        ['an error', (response) => response.writeHead(500).end('{}')],
        ['a redirect', (response) => response.writeHead(302, { location: '/seed' }).end()],
        ['too much', (response) => { response.writeHead(200, { 'tutti-format': 'text', 'tutti-root': 'content' }); response.end('x'.repeat(2_000_000)) }],
        ['a lie about its length', (response) => { response.writeHead(200, { 'tutti-format': 'text', 'tutti-root': 'content', 'content-length': 100 }); response.write('short'); setTimeout(() => response.destroy(), 20) }],
        ['no update', says('no update')],
        ['no root', says('text', { 'tutti-format': 'text' })],
        ['no format', says('text', { 'tutti-format': 'html' })],
        ['nothing for ever', () => {}],
      ]
      await Promise.all(wrong.map(async ([what, answer]) => {
        const room = newRoom()
        backEnd.answers.set(room, answer)
        const person = open(t, server, { version, room })
        await until(() => person.closings().some((closed) => closed?.code === 1013), `${what}: the writer is refused for now`, { state: () => person.closings() })
        assert.equal(person.provider.synced, false, what)
        assert.equal((await history(room)).length, 0, what)
        backEnd.answers.set(room, says('at last', { 'tutti-format': 'text', 'tutti-root': 'content' }))
        await person.reads('at last')
      }))
    })

    test('who may not make a room makes none by coming, and a content that is too much for a room refuses writers', async (t) => {
      const content = (length) => says('x'.repeat(length), { 'tutti-format': 'text', 'tutti-root': 'content' })
      const strict = await startServer({ store, args: ['--seed-url', backEnd.url, '--seed-secret', `whsec_${key.toString('base64')}`, '--admins-make-rooms', '--quota-room-bytes', '2000'] })
      t.after(() => strict.close())
      const [room, full] = [newRoom(), newRoom()]
      backEnd.answers.set(room, content(1_000))
      backEnd.answers.set(full, content(3_000))
      const admin = token({ sub: 'root', rooms: [{ room: '*', access: 'admin' }] })
      const ada = await join(t, strict, { version, room })
      await ada.reads('')
      assert.equal(backEnd.of(room).length, 0)
      const root = await join(t, strict, { version, room, as: admin })
      await root.reads('x'.repeat(1_000))
      await ada.reads('x'.repeat(1_000))
      const refused = open(t, strict, { version, room: full, as: admin })
      await until(() => refused.closings().some((closed) => closed?.code === 4413), 'the writer is refused for good', { state: () => refused.closings() })
      assert.equal((await strict.fetch(`/api/v1/rooms/${full}`)).status, 404)
      assert.match(strict.log, /the room has as much on disk as it may/)
    })
  })
}
