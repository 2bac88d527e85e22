// A back end that writes documents over HTTP while people edit them.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import * as Y from 'yjs'
import { join, newRoom, versions } from './support/client.mjs'
import { stores } from './support/database.mjs'
import { startServer } from './support/server.mjs'
import { token } from './support/token.mjs'
import { until } from './support/until.mjs'

const [version] = versions

/** The document that `change` makes of `old`, and the update between them. */
function edited (change, old) {
  const doc = new Y.Doc()
  if (old) Y.applyUpdate(doc, old)
  const vector = Y.encodeStateVector(doc)
  change(doc)
  return { doc, v1: Y.encodeStateAsUpdate(doc, vector), v2: Y.encodeStateAsUpdateV2(doc, vector) }
}
const typed = (text, old) => edited((doc) => doc.getText('content').insert(0, text), old)

for (const store of stores) {
  describe(`writing documents on ${store}`, () => {
    let server
    before(async () => (server = await startServer({ store })))
    after(() => server.close())

    const at = (room, query = '') => `/api/v1/rooms/${room}/document${query}`
    const call = async (method, path, body, options = {}) => {
      const response = await server.fetch(path, { method, body, ...options })
      return { status: response.status, headers: response.headers, body: response.status === 304 ? null : await response.json() }
    }
    const post = (path, body, options) => call('POST', path, body, options)
    const writes = async (promise, status) => {
      const answer = await promise
      assert.equal(answer.status, status, JSON.stringify(answer.body))
      assert.equal(answer.headers.get('etag'), `"${answer.body.seq}"`)
      return answer.body.seq
    }
    const fails = async (promise, status, code) => {
      const { status: got, body } = await promise
      assert.deepEqual([got, body.error?.code], [status, code], JSON.stringify(body))
      return body.error.message
    }
    const state = async (room) => new Uint8Array(await (await server.fetch(at(room, '?format=yjs'))).arrayBuffer())
    const history = async (room) => (await (await server.fetch(`/api/v1/rooms/${room}/history`)).json()).entries

    test('an update is shown to all at once, committed with its author, and makes the document', async (t) => {
      const room = newRoom()
      const people = [await join(t, server, { version, room }), await join(t, server, { version, room, as: token({ sub: 'bob' }) })]
      const as = token({ sub: 'backend' })
      const first = await writes(post(at(room), typed('from a server').v1, { as }), 201)
      for (const person of people) await person.reads('from a server')
      people[0].type('!')
      await people[1].reads('from a server!')
      await people[0].acknowledged()
      const second = await writes(post(at(room), typed('More ', await state(room)).v1, { as }), 200)
      for (const person of people) await person.reads('More from a server!')
      assert.deepEqual([first, second], [1, 3])
      assert.deepEqual((await history(room)).map(({ author, kind }) => [author, kind]), [['backend', 'edit'], ['ada', 'edit'], ['backend', 'edit']])
    })

    test('an update may come in v2, packed or not, and is shown in v1', async (t) => {
      const room = newRoom()
      const person = await join(t, server, { version, room })
      await writes(post(at(room, '?format=yjs-v2'), typed('wörld 🎻').v2), 201)
      await person.reads('wörld 🎻')
      const packed = gzipSync(typed('Hello ', await state(room)).v2)
      await writes(post(at(room, '?format=yjs-v2'), packed, { headers: { 'content-encoding': 'gzip' } }), 200)
      await person.reads('Hello wörld 🎻')
      const bytes = await server.fetch(at(room, '?format=text&root=content'), { headers: { 'accept-encoding': 'gzip' } })
      assert.equal(await bytes.text(), 'Hello wörld 🎻')
    })

    test('what the document has already is answered and stored once', async () => {
      const room = newRoom()
      const { v1 } = typed('once')
      await writes(post(at(room), v1), 201)
      await writes(post(at(room), v1), 200)
      const more = typed('and ', v1).v1
      assert.equal(await writes(post(at(room, '?key=k'), more), 200), 2)
      assert.equal(await writes(post(at(room, '?key=k'), typed('not this ', v1).v1), 200), 2)
      assert.equal(await (await server.fetch(at(room, '?format=text'))).text(), 'and once')
      assert.equal((await history(room)).length, 2)
    })

    test('of many who write only where there is no document, one does, and all see its edit', async (t) => {
      const room = newRoom()
      const people = [await join(t, server, { version, room }), await join(t, server, { version, room })]
      const texts = Array.from({ length: 12 }, (_, i) => `seed ${i}`)
      const answers = await Promise.all(texts.map((text) => post(at(room), typed(text).v1, { headers: { 'if-none-match': '*' } })))
      assert.deepEqual(answers.map(({ status }) => status).sort(), [201, ...Array(11).fill(412)])
      const won = texts[answers.findIndex(({ status }) => status === 201)]
      for (const person of people) await person.reads(won)
    })

    test('a condition on the newest entry holds or nothing is written', async (t) => {
      const room = newRoom()
      const person = await join(t, server, { version, room })
      person.type('a')
      await person.acknowledged()
      const etag = (await server.fetch(at(room))).headers.get('etag')
      assert.equal(etag, '"1"')
      person.type('b')
      await person.acknowledged()
      const more = typed('x', await state(room)).v1
      await fails(post(at(room), more, { headers: { 'if-match': etag } }), 412, 'changed')
      await writes(post(at(room), more, { headers: { 'if-match': '"2"' } }), 200)
      await person.reads('xab')
      await fails(post(at(room), more, { headers: { 'if-none-match': '*' } }), 412, 'changed')
      await fails(post(at(room), more, { headers: { 'if-match': 'x' } }), 400, 'invalid_parameter')
      await fails(post(at(room), more, { headers: { 'if-match': '"2"', 'if-none-match': '*' } }), 400, 'invalid_parameter')
    })

    test('what cannot be taken is refused whole, with a reason, and makes nothing', async (t) => {
      const room = newRoom()
      const old = typed('base').v1
      await fails(post(at(room), typed('more ', old).v1), 409, 'incomplete')
      for (const query of ['', '?key=a']) {
        await fails(post(at(room, query), 'no update'), 422, 'edit_refused')
        await fails(post(at(room, query), typed('more ', old).v1), 409, 'incomplete')
      }
      await fails(post(at(room, '?format=yjs-v2'), typed('x').v1), 422, 'edit_refused')
      await fails(post(at(room, '?format=json'), old), 400, 'invalid_parameter')
      await fails(post(at(room, '?key='), old), 400, 'invalid_parameter')
      await fails(post(at(room), gzipSync(old), { headers: { 'content-encoding': 'br' } }), 415, 'unsupported_encoding')
      await fails(post(at(room), old, { headers: { 'content-encoding': 'gzip' } }), 400, 'invalid_body')
      await fails(post(at(room), old, { as: token({ rooms: [{ room: '*', access: 'read' }] }) }), 403, 'forbidden')
      await fails(post(at(room), old, { as: token({ rooms: [] }) }), 404, 'room_not_found')
      await fails(post(at(room), old, { as: null }), 401, 'unauthorized')
      assert.equal((await server.fetch(at(room))).status, 404, 'no room was made')
      await writes(post(at(room), new Uint8Array([0, 0])), 200)
      assert.equal((await server.fetch(at(room))).status, 404, 'nothing makes no room')
    })
  })
}

test('a body is bounded as it comes and as it is unpacked', async (t) => {
  const server = await startServer({ args: ['--document-bytes-max', '65536'] })
  t.after(() => server.close())
  const post = async (body, headers) => {
    const response = await server.fetch('/api/v1/rooms/bounded/document', { method: 'POST', body, headers })
    return [response.status, (await response.json()).error?.code]
  }
  assert.deepEqual(await post(new Uint8Array(65_537)), [413, 'too_large'])
  const bomb = gzipSync(new Uint8Array(50_000_000))
  assert.ok(bomb.length < 65_536)
  assert.deepEqual(await post(bomb, { 'content-encoding': 'gzip' }), [413, 'too_large'])
  assert.deepEqual(await post(typed('x'.repeat(60_000)).v1), [201, undefined])
  assert.deepEqual(await post(typed('x'.repeat(60_000)).v1), [507, 'document_full'])
})
