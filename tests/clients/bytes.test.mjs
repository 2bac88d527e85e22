// The document's bytes are the client's: what one client wrote, others get value for value, live, later, and after a restart; and what was
// deleted stays for those who want to look back, where that is asked for.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as Y from 'yjs'
import { join, newRoom, versions } from './support/client.mjs'
import { stores } from './support/database.mjs'
import { startServer } from './support/server.mjs'
import { atOnce, until } from './support/until.mjs'

const [version] = versions

/** Values that were changed on their way by servers that write documents anew. */
const values = {
  bigint: 5n,
  'a large bigint': 9223372036854775807n,
  'minus zero': -0,
  'order of keys': { z: 1, a: 2, id: 3, m: { y: 1, b: 2 } },
  'a time': 1795879966678,
  'a float': 0.1,
  'a large float': 1e300,
  undefined,
  null: null,
  bytes: new Uint8Array([0, 255, 1]),
  'half a character': { alt: 'A nice day 😀'.slice(0, 12) },
  list: [1, [2n, { k: -0 }], 'x'],
}

function write(doc) {
  doc.transact(() => {
    for (const [name, value] of Object.entries(values)) doc.getMap('values').set(name, value)
    doc.getArray('list').insert(0, [{ z: 1, a: [5n, -0] }, 1e19, 'half \ud83d'])
    const text = doc.getText('content')
    text.insert(0, 'Hello 😀')
    text.insertEmbed(0, { image: 'x.png', alt: 'A nice day 😀 at the sea'.slice(0, 12) })
    text.insertEmbed(0, { n: 1e19 })
    text.format(3, 3, { comment: 'Hello 😀'.slice(0, 7) })
  })
}

const read = (doc) => [doc.getMap('values').toJSON(), doc.getArray('list').toJSON(), doc.getText('content').toDelta()]
/** As it is after the wire, where half a character in a text has no place. */
const expected = (() => {
  const doc = new Y.Doc()
  write(doc)
  const other = new Y.Doc()
  Y.applyUpdate(other, Y.encodeStateAsUpdate(doc))
  return read(other)
})()
const keysOf = (value) => JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}n` : v))

for (const store of stores) {
  describe(`values on ${store}`, () => {
    test('what one client wrote, others get value for value, live, later, after kill -9 and by REST', async (t) => {
      const server = await startServer({ store })
      t.after(() => server.close())
      const room = newRoom()
      const [ada, bob] = [await join(t, server, { version, room }), await join(t, server, { version, room })]
      write(ada.doc)
      await ada.acknowledged()
      const same = (doc) => {
        assert.deepStrictEqual(read(doc), expected)
        assert.equal(keysOf(read(doc)), keysOf(expected), 'the order of keys')
      }
      await until(() => bob.doc.getMap('values').size === Object.keys(values).length, 'the other has it', atOnce)
      same(bob.doc)
      same((await join(t, server, { version, room })).doc)
      await server.kill9()
      await server.start()
      same((await join(t, server, { version, room })).doc)
      const state = new Y.Doc()
      const answer = await server.fetch(`/api/v1/rooms/${room}/document?format=yjs`)
      Y.applyUpdate(state, new Uint8Array(await answer.arrayBuffer()))
      same(state)
      const json = await (await server.fetch(`/api/v1/rooms/${room}/document`)).text()
      assert.ok(json.includes('"a time":1795879966678'), json)
      assert.ok(json.includes('"a large bigint":9223372036854775807'), json)
      assert.ok(json.includes('{"z":1,"a":2,"id":3,"m":{"y":1,"b":2}}'), json)
    })
  })
}

for (const [name, args, keeps] of [
  ['off', ['--gc', 'false'], true],
  ['off for this room', ['--gc-off-rooms', 'kept/*'], true],
  ['off for another room', ['--gc-off-rooms', 'other/*'], false],
  ['on', [], false],
]) {
  test(`with gc ${name} an old version ${keeps ? 'is' : 'is not'} there for who joins later, also after a restart`, async (t) => {
    const server = await startServer({ args })
    t.after(() => server.close())
    const room = `kept/${newRoom()}`
    const open = () => join(t, server, { version, room, doc: new Y.Doc({ gc: false }) })
    const ada = await open()
    ada.type('the first version')
    const snapshot = Y.snapshot(ada.doc)
    ada.text.delete(4, 6)
    await ada.acknowledged()
    const past = (doc) => Y.createDocFromSnapshot(doc, snapshot).getText('content').toString()
    assert.equal(past(ada.doc), 'the first version')
    for (const isLater of [false, true]) {
      if (isLater) {
        await server.stop()
        await server.start()
      }
      const late = await open()
      assert.equal(late.content(), 'the version')
      assert.equal(past(late.doc) === 'the first version', keeps, past(late.doc))
    }
  })
}

test('REST shows what is there: texts with attributes, what was cleared, whole numbers', async (t) => {
  const server = await startServer()
  t.after(() => server.close())
  const room = newRoom()
  const ada = await join(t, server, { version, room })
  const lexical = ada.doc.get('root', Y.XmlText)
  lexical.insert(0, 'hello')
  lexical.setAttribute('__dir', 'ltr')
  const cleared = ada.doc.getText('cleared')
  cleared.insert(0, 'gone')
  cleared.delete(0, 4)
  const map = ada.doc.getMap('emptied')
  map.set('a', 1)
  map.delete('a')
  ada.doc.getMap('numbers').set('whole', 2 ** 40)
  ada.doc.getMap('numbers').set('large', -(2 ** 31))
  ada.doc.getMap('numbers').set('half', 0.5)
  await ada.acknowledged()
  const read = async (query) => (await server.fetch(`/api/v1/rooms/${room}/document?${query}`)).text()
  assert.equal(await read('format=text&root=root'), 'hello')
  assert.equal(await read('format=text&root=cleared'), '')
  const json = JSON.parse(await read('format=json'))
  assert.equal(json.root, 'hello')
  assert.equal(json.cleared, '')
  assert.deepEqual(json.emptied, {})
  assert.deepEqual(json.numbers, { whole: 2 ** 40, large: -(2 ** 31), half: 0.5 })
  assert.ok((await read('format=json')).includes('1099511627776'), 'without a point')
})
