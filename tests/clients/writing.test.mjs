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

    const put = (path, body, options) => call('PUT', path, typeof body === 'string' ? body : JSON.stringify(body), options)
    const patch = (path, operations, options) => call('PATCH', path, JSON.stringify({ operations }), options)

    test('a text becomes the one that is wanted, and what people type meanwhile survives', async (t) => {
      const room = newRoom()
      const [ada, bob] = [await join(t, server, { version, room }), await join(t, server, { version, room })]
      await writes(put(at(room, '?format=text&root=content'), 'One line\nand another\n'), 201)
      await ada.reads('One line\nand another\n')
      // Where a cursor stands: in front of "and".
      const cursor = Y.createRelativePositionFromTypeIndex(ada.text, 9)
      ada.goOffline()
      await ada.type(' quickly', 8)
      await writes(put(at(room, '?format=text'), 'First: One line\nand one other\n'), 200)
      ada.goOnline()
      for (const person of [ada, bob]) await person.reads('First: One line quickly\nand one other\n')
      assert.equal(Y.createAbsolutePositionFromRelativePosition(cursor, ada.doc).index, 24)
      await ada.acknowledged()
      const seq = (await history(room)).at(-1).seq
      assert.equal(await writes(put(at(room, '?format=text'), 'First: One line quickly\nand one other\n'), 200), seq, 'nothing was to be changed')
    })

    test('maps and arrays become what is wanted, within what is shared', async (t) => {
      const room = newRoom()
      const person = await join(t, server, { version, room })
      const board = { tasks: [{ id: 1, title: 'a', tags: ['x'] }, { id: 2, title: 'b', tags: [] }], meta: { name: 'Plan', size: 2 } }
      await writes(put(at(room, '?nested=shared'), board), 201)
      const tasks = person.doc.getArray('tasks')
      await until(() => tasks.length === 2, 'the tasks are there')
      const second = tasks.get(1)
      assert.ok(second instanceof Y.Map && second.get('tags') instanceof Y.Array)
      second.get('tags').push(['typed'])
      await person.acknowledged()
      board.tasks = [{ id: 3, title: 'new', tags: [] }, { ...board.tasks[1], title: 'B', tags: ['typed'] }]
      await writes(put(at(room), board), 200)
      await until(() => tasks.get(0)?.get('id') === 3, 'the first task is another')
      assert.equal(tasks.get(1), second, 'the same shared type, changed within')
      assert.deepEqual(tasks.toJSON(), board.tasks)
      assert.ok(tasks.get(0) instanceof Y.Map, 'new ones are as those beside them')
      await writes(put(at(room, '?root=meta'), { name: 'Other' }), 200)
      await until(() => person.doc.getMap('meta').get('name') === 'Other', 'the map is another')
      assert.deepEqual(await (await server.fetch(at(room))).json(), { ...board, meta: { name: 'Other' } })
    })

    test('an editor of ProseMirror shows what was written, and it is read as that', async (t) => {
      const room = newRoom()
      const person = await join(t, server, { version, room })
      const doc = (...content) => ({ type: 'doc', content })
      const paragraph = (...content) => ({ type: 'paragraph', content })
      const text = (text, ...marks) => ({ type: 'text', text, ...(marks.length ? { marks } : {}) })
      const first = doc({ type: 'heading', attrs: { level: 1 }, content: [text('Title')] }, paragraph(text('Hello '), text('all', { type: 'bold' })))
      await writes(put(at(room, '?format=prosemirror&root=default'), first), 201)
      const root = person.doc.getXmlFragment('default')
      await until(() => root.length === 2, 'the nodes are there')
      assert.equal(root.toString(), '<heading level="1">Title</heading><paragraph>Hello <bold>all</bold></paragraph>')
      const [heading, second] = root.toArray()
      second.get(0).insert(5, ' to')
      await person.acknowledged()
      await writes(put(at(room, '?format=prosemirror'), doc(first.content[0], paragraph(text('new')), paragraph(text('Hello to '), text('you', { type: 'link', attrs: { href: 'x' } })))), 200)
      await until(() => root.length === 3, 'a node came')
      assert.deepEqual([root.get(0), root.get(2)], [heading, second], 'what was equal, or like it, is the same')
      assert.equal(root.toString(), '<heading level="1">Title</heading><paragraph>new</paragraph><paragraph>Hello to <link href="x">you</link></paragraph>')
      assert.equal(await (await server.fetch(at(room, '?format=xml'))).text(), '<document><heading level="1">Title</heading><paragraph>new</paragraph><paragraph>Hello to <link href="x">you</link></paragraph></document>')
      const read = await (await server.fetch(at(room, '?format=prosemirror'))).json()
      const seq = (await history(room)).at(-1).seq
      assert.equal(await writes(put(at(room, '?format=prosemirror'), read), 200), seq, 'what is read changes nothing')
    })

    test('of many who put the first content, one does, and all have it once', async (t) => {
      const room = newRoom()
      const person = await join(t, server, { version, room })
      const seeded = await Promise.all(Array.from({ length: 10 }, () => put(at(room, '?format=text&root=content'), 'seed', { headers: { 'if-none-match': '*' } })))
      assert.deepEqual(seeded.map(({ status }) => status).sort(), [201, ...Array(9).fill(412)])
      await person.reads('seed')
      const other = newRoom()
      const all = await Promise.all(Array.from({ length: 10 }, () => put(at(other, '?format=text&root=content'), 'once')))
      assert.deepEqual(all.map(({ status }) => status).sort(), [...Array(9).fill(200), 201])
      assert.equal(await (await server.fetch(at(other, '?format=text'))).text(), 'once')
    })

    test('operations are done all or none, and once for their key', async (t) => {
      const room = newRoom()
      const person = await join(t, server, { version, room })
      const operations = [
        { op: 'insert', path: ['content'], index: 0, text: 'Hello 🎻' },
        { op: 'format', path: ['content'], index: 0, length: 5, attributes: { bold: true } },
        { op: 'set', path: ['meta', 'tags'], value: ['a'], shared: true },
        { op: 'insert', path: ['meta', 'tags'], index: 1, values: ['b'] },
      ]
      const packed = { headers: { 'content-encoding': 'gzip' } }
      const seq = await writes(call('PATCH', at(room, '?key=first'), gzipSync(JSON.stringify({ operations })), packed), 201)
      assert.equal(await writes(call('PUT', at(room, '?format=text&root=content'), gzipSync('Hello 🎻'), packed), 200), seq)
      await person.reads('Hello 🎻')
      assert.deepEqual(person.text.toDelta(), [{ insert: 'Hello', attributes: { bold: true } }, { insert: ' 🎻' }])
      assert.deepEqual(person.doc.getMap('meta').toJSON(), { tags: ['a', 'b'] })
      assert.equal(await writes(patch(at(room, '?key=first'), operations), 200), seq)
      const wrong = [{ op: 'delete', path: ['content'], index: 0, length: 5 }, { op: 'insert', path: ['content'], index: 99, text: 'x' }]
      assert.match(await fails(patch(at(room), wrong), 400, 'invalid_body'), /operation 1/)
      await fails(patch(at(room), [{ op: 'insert', path: ['content'], index: 7, text: 'x' }]), 400, 'invalid_body')
      await fails(patch(at(room), Array(1001).fill(operations[1])), 400, 'invalid_body')
      await fails(patch(at(room), [{ op: 'fly' }]), 400, 'invalid_body')
      await writes(patch(at(room), Array(1000).fill(operations[1])), 200)
      await fails(patch(at(room), operations, { headers: { 'if-match': '"999"' } }), 412, 'changed')
      person.type('!')
      await person.acknowledged()
      assert.equal(await (await server.fetch(at(room, '?format=text&root=content'))).text(), 'Hello 🎻!')
    })

    test('a document of another shape says what is there', async () => {
      const room = newRoom()
      await writes(put(at(room), { t: 'text', m: { a: 1 }, l: [1] }), 201)
      assert.match(await fails(put(at(room), { t: {} }), 409, 'other_shape'), /"t" is a text, and not a map/)
      assert.match(await fails(put(at(room, '?format=text&root=m'), 'x'), 409, 'other_shape'), /"m" is a map, and not a text/)
      await fails(put(at(room, '?format=prosemirror&root=l'), { type: 'doc' }), 409, 'other_shape')
      await fails(patch(at(room), [{ op: 'set', path: ['l', 'k'], value: 1 }]), 409, 'other_shape')
      await fails(put(at(room, '?format=text'), 'x'), 400, 'root_needed')
      await fails(put(at(newRoom(), '?format=text'), 'x'), 400, 'invalid_parameter')
      await fails(put(at(room), '[1'), 400, 'invalid_body')
      await fails(put(at(room), '[1]'), 400, 'invalid_body')
      await fails(put(at(room), '"x"'), 400, 'invalid_body')
      const allowed = await server.fetch(at(room), { method: 'DELETE' })
      assert.deepEqual([allowed.status, allowed.headers.get('allow')], [405, 'GET, HEAD, POST, PUT, PATCH'])
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
