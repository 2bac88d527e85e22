// What a program reads over HTTP while people edit.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as Y from 'yjs'
import { join, newRoom, versions } from './support/client.mjs'
import { stores } from './support/database.mjs'
import { startServer } from './support/server.mjs'

const [version] = versions
const isTime = (text) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text)

for (const store of stores) {
  describe(`REST on ${store}`, () => {
    let server
    before(async () => (server = await startServer({ store })))
    after(() => server.close())

    const json = async (path, options) => {
      const response = await server.fetch(path, options)
      assert.equal(response.status, 200, `${path}: ${response.status}`)
      assert.match(response.headers.get('content-type'), /^application\/json/)
      return response.json()
    }

    /** Asserts that `path` fails with a status and a stable code. */
    const fails = async (path, status, code, options) => {
      const response = await server.fetch(path, options)
      const { error } = await response.json()
      assert.deepEqual([response.status, error.code], [status, code], path)
      assert.ok(error.message.length > 0)
      return error
    }

    /** A room in which each of `texts` is an edit of its own, by Ada and Bob in turn. */
    const written = async (t, room, texts) => {
      const as = ['ada', 'bob'].map((sub) => server.token({ sub }))
      const clients = [await join(t, server, { version, room, as: as[0] }), await join(t, server, { version, room, as: as[1] })]
      let content = ''
      for (const [i, text] of texts.entries()) {
        const client = clients[i % 2]
        await client.reads(content)
        client.type(text)
        content += text
        await client.acknowledged()
      }
      return clients
    }

    test('the rooms are listed by name, by prefix and by page', async (t) => {
      for (const name of ['b', 'a', 'c', 'A', 'a_b']) {
        await written(t, `list/${name}`, ['x'])
      }
      await written(t, 'list-not/a', ['x'])
      const { rooms, next } = await json('/api/v1/rooms?prefix=list/')
      assert.deepEqual(rooms.map(({ room }) => room), ['list/A', 'list/a', 'list/a_b', 'list/b', 'list/c'])
      assert.equal(next, null)
      assert.ok(rooms.every(({ seq, createdAt, updatedAt }) => seq >= 1 && isTime(createdAt) && isTime(updatedAt)))
      const first = await json('/api/v1/rooms?prefix=list/&limit=2')
      const second = await json(`/api/v1/rooms?prefix=list/&limit=2&after=${encodeURIComponent(first.next)}`)
      const third = await json(`/api/v1/rooms?prefix=list/&limit=2&after=${encodeURIComponent(second.next)}`)
      const names = [first, second, third].flatMap((page) => page.rooms.map(({ room }) => room))
      assert.deepEqual(names, rooms.map(({ room }) => room))
      assert.equal(third.next, null)
      assert.deepEqual((await json('/api/v1/rooms?prefix=list/a_')).rooms.map(({ room }) => room), ['list/a_b'])
    })

    test('a list holds only the rooms that the token may read', async (t) => {
      await written(t, 'mine/a', ['x'])
      await written(t, 'yours/a', ['x'])
      const as = server.token({ rooms: [{ room: 'mine/*', access: 'read' }] })
      assert.deepEqual((await json('/api/v1/rooms', { as })).rooms.map(({ room }) => room), ['mine/a'])
    })

    test('a room says how far it is', async (t) => {
      const room = newRoom()
      await written(t, room, ['one', 'two', 'three'])
      const answer = await json(`/api/v1/rooms/${room}`)
      assert.deepEqual([answer.room, answer.seq], [room, 3])
      assert.ok(isTime(answer.createdAt) && isTime(answer.updatedAt) && Date.parse(answer.createdAt) <= Date.parse(answer.updatedAt))
      for (const path of ['', '/history', '/document', '/presence']) {
        const head = await server.fetch(`/api/v1/rooms/${room}${path}`, { method: 'HEAD' })
        assert.deepEqual([head.status, await head.text()], [200, ''], path)
      }
    })

    test('the history says who edited when, without gaps, and pages in both directions', async (t) => {
      const room = newRoom()
      await written(t, room, ['a', 'b', 'c', 'd', 'e'])
      const path = `/api/v1/rooms/${room}/history`
      const all = await json(path)
      assert.equal(all.room, room)
      assert.deepEqual(all.entries.map(({ seq }) => seq), [1, 2, 3, 4, 5])
      assert.deepEqual(all.entries.map(({ author }) => author), ['ada', 'bob', 'ada', 'bob', 'ada'])
      assert.ok(all.entries.every(({ kind, at, bytes }) => kind === 'edit' && isTime(at) && bytes > 0))
      const times = all.entries.map(({ at }) => Date.parse(at))
      assert.deepEqual(times, times.toSorted((a, b) => a - b))
      assert.equal(all.next, null)

      const seqs = async (query) => (await json(`${path}?${query}`)).entries.map(({ seq }) => seq)
      assert.deepEqual(await seqs('after=2&limit=2'), [3, 4])
      assert.deepEqual(await seqs('before=4&limit=2'), [2, 3])
      assert.deepEqual(await seqs('after=1&before=4'), [2, 3])
      assert.deepEqual(await seqs('author=bob'), [2, 4])
      assert.deepEqual(await seqs('kind=edit&after=4'), [5])
      assert.deepEqual(await seqs('kind=message'), [])
      assert.deepEqual(await seqs('after=5'), [])

      const forward = await json(`${path}?after=0&limit=2`)
      assert.deepEqual((await json(`${path}?after=${forward.next}&limit=3`)).entries.map(({ seq }) => seq), [3, 4, 5])
      const backward = await json(`${path}?before=6&limit=2`)
      assert.deepEqual((await json(`${path}?before=${backward.next}&limit=2`)).entries.map(({ seq }) => seq), [2, 3])
      assert.equal((await json(`${path}?before=3&limit=2`)).next, null)
    })

    test('the document is there as text, as JSON and as a Yjs update', async (t) => {
      const room = newRoom()
      const [ada] = await written(t, room, ['Hello ', 'all 🎻'])
      ada.doc.getMap('meta').set('title', 'Tutti')
      await ada.acknowledged()
      const path = `/api/v1/rooms/${room}/document`

      const text = await server.fetch(`${path}?format=text&root=content`)
      assert.equal(text.status, 200)
      assert.match(text.headers.get('content-type'), /^text\/plain/)
      assert.equal(text.headers.get('tutti-seq'), '3')
      assert.equal(await text.text(), 'Hello all 🎻')

      const whole = await json(`${path}?format=json`)
      assert.match(JSON.stringify(whole), /Hello all 🎻/)

      const yjs = await server.fetch(`${path}?format=yjs`)
      assert.match(yjs.headers.get('content-type'), /^application\/octet-stream/)
      assert.equal(yjs.headers.get('tutti-seq'), '3')
      const copy = new Y.Doc()
      Y.applyUpdate(copy, new Uint8Array(await yjs.arrayBuffer()))
      assert.equal(copy.getText('content').toString(), 'Hello all 🎻')
      assert.equal(copy.getMap('meta').get('title'), 'Tutti')
      assert.deepEqual(Y.encodeStateVector(copy), Y.encodeStateVector(ada.doc))
    })

    test('presence lists people, not sockets', async (t) => {
      const room = newRoom()
      const ada = server.token({ sub: 'ada', name: 'Ada L.' })
      for (const as of [ada, ada, server.token({ sub: 'bob' })]) await join(t, server, { version, room, as })
      const presence = await json(`/api/v1/rooms/${room}/presence`)
      assert.equal(presence.room, room)
      assert.deepEqual(
        presence.users.sort((a, b) => a.user.localeCompare(b.user)),
        [
          { user: 'ada', name: 'Ada L.', sockets: 2 },
          { user: 'bob', name: 'bob', sockets: 1 },
        ],
      )
    })

    test('unknown and forbidden rooms look alike', async (t) => {
      const room = newRoom()
      await written(t, room, ['secret'])
      const as = server.token({ rooms: [{ room: 'elsewhere', access: 'admin' }] })
      for (const part of ['', '/history', '/document?format=text', '/presence']) {
        const forbidden = await fails(`/api/v1/rooms/${room}${part}`, 404, 'room_not_found', { as })
        const unknown = await fails(`/api/v1/rooms/no/such/room${part}`, 404, 'room_not_found', { as })
        assert.equal(forbidden.message.replaceAll(room, ''), unknown.message.replaceAll('no/such/room', ''))
      }
      await fails('/api/v1/rooms/no/such/room', 404, 'room_not_found')
    })

    test('without a valid token nothing is read', async () => {
      for (const path of ['/api/v1/rooms', '/api/v1/rooms/a', '/api/v1/rooms/a/history', '/api/v1/rooms/a/document']) {
        for (const as of [null, 'password', server.token({ ttl: -3600 })]) {
          const response = await server.fetch(path, { as })
          assert.equal(response.status, 401, path)
          assert.equal(typeof (await response.json()).error.code, 'string')
        }
      }
    })

    test('a wrong parameter is named, and costs a 400', async (t) => {
      const room = newRoom()
      await written(t, room, ['x'])
      for (const query of ['history?limit=many', 'history?after=-1', 'history?kind=song', 'document?format=pdf']) {
        const response = await server.fetch(`/api/v1/rooms/${room}/${query}`)
        assert.equal(response.status, 400, query)
        const { error } = await response.json()
        assert.equal(typeof error.code, 'string')
        assert.ok(error.message.includes(/\?(\w+)/.exec(query)[1]), `"${error.message}" names the parameter of ${query}`)
      }
    })

    test('the server says that it lives and that its store answers', async () => {
      for (const path of ['/healthz', '/readyz']) {
        const response = await server.fetch(path, { as: null })
        assert.equal(response.status, 200, path)
      }
    })

    test('an unknown path is a JSON error', async () => {
      const response = await server.fetch('/api/v1/nothing')
      assert.equal(response.status, 404)
      assert.equal(typeof (await response.json()).error.code, 'string')
    })
  })
}
