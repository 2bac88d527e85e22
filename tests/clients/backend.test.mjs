// `tutti/server` of the npm package against the server: what a back end mints, reads, writes and verifies. `make demo` has compiled it.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import * as Y from 'yjs'
import { mintToken, TuttiServer, verifySignature, verifyWebhook } from '../../static/client/dist/server.js'
import { newRoom } from './support/client.mjs'
import { startServer } from './support/server.mjs'
import { secret } from './support/token.mjs'
import { until } from './support/until.mjs'

let server
let api
before(async () => {
  server = await startServer({ args: ['--webhook-allow-private'] })
  api = new TuttiServer(`${server.url}/`, { secret })
})
after(() => server?.close())

const coded = (code, more = {}) => ({ name: 'TuttiError', code, ...more })

test('a minted token opens what it says, and nothing else', async () => {
  const [open, shut] = [newRoom(), newRoom()]
  const as = await mintToken(secret, { sub: 'älice', name: 'Älice', rooms: [{ room: open, access: 'write' }] })
  const publish = (room) => server.fetch(`/api/v1/rooms/${room}/messages`, { method: 'POST', as, body: '{"text":"hi"}' })
  assert.equal((await publish(open)).status, 201)
  assert.equal((await publish(shut)).status, 404)
  const { entries: [entry] } = await api.readHistory(open)
  assert.deepEqual([entry.author, entry.body.name], ['älice', 'Älice'])
  const expired = await mintToken(secret, { sub: 'alice', rooms: [{ room: '*', access: 'write' }], ttl: -60 })
  await assert.rejects(new TuttiServer(server.url, { token: async () => expired }).listRooms(), coded('unauthorized', { temporary: false }))
  await assert.rejects(new TuttiServer(server.url, { secret: 'another secret, which is as long as one must be' }).listRooms(), coded('unauthorized'))
})

test('a document is seeded once, read in each format, changed, and answered with what stands against it', async () => {
  const room = `${newRoom()}/with a/history`
  assert.deepEqual(await api.putDocument(room, { content: 'Hello', list: [1] }, { ifNew: true }), { seq: 1, created: true })
  await assert.rejects(api.putDocument(room, {}, { ifNew: true }), coded('changed'))
  assert.deepEqual(await api.readDocument(room), { content: { content: 'Hello', list: [1] }, seq: 1 })
  assert.deepEqual(await api.readDocument(room, { format: 'text', root: 'content' }), { content: 'Hello', seq: 1 })
  const operation = { op: 'insert', path: ['content'], index: 5, text: '!' }
  assert.deepEqual(await api.patchDocument(room, [operation], { ifSeq: 1, key: 'k' }), { seq: 2, created: false })
  assert.deepEqual(await api.patchDocument(room, [operation], { key: 'k' }), { seq: 2, created: false })
  await assert.rejects(api.patchDocument(room, [operation], { ifSeq: 1 }), coded('changed'))
  assert.equal((await api.readDocument(room, { root: 'content', at: 1 })).content, 'Hello')
  const doc = new Y.Doc()
  Y.applyUpdate(doc, (await api.readDocument(room, { format: 'yjs' })).content)
  assert.equal(doc.getText('content').toString(), 'Hello!')
  doc.getText('content').insert(6, '?')
  assert.deepEqual(await api.applyUpdate(room, Y.encodeStateAsUpdate(doc)), { seq: 3, created: false })
  assert.equal((await api.readDocument(room, { format: 'text', root: 'content' })).content, 'Hello!?')
  assert.deepEqual(await api.putDocument(room, 'Bye', { format: 'text', root: 'content' }), { seq: 4, created: false })
  await assert.rejects(api.readDocument(room, { format: 'text', root: 'list2' }), coded('root_not_found'))
  await assert.rejects(api.readDocument(newRoom()), coded('room_not_found'))
})

test('a rich text goes in and out as ProseMirror has it', async () => {
  const room = newRoom()
  const document = { type: 'doc', content: [{ type: 'paragraph', content: [{ type: 'text', text: 'Hello' }] }] }
  await api.putDocument(room, document, { format: 'prosemirror', root: 'default' })
  assert.deepEqual((await api.readDocument(room, { format: 'prosemirror' })).content, document)
  assert.match((await api.readDocument(room, { format: 'xml' })).content, /<paragraph>Hello<\/paragraph>/)
})

test('a room is copied as it is and as it was', async () => {
  const [room, copy, whole] = [newRoom(), newRoom(), newRoom()]
  await api.putDocument(room, 'one', { format: 'text', root: 'content' })
  await api.putDocument(room, 'two', { format: 'text', root: 'content' })
  assert.deepEqual(await api.copyRoom(room, copy, { at: 1 }), { room: copy, seq: 1, from: { room, seq: 1 } })
  assert.equal((await api.readDocument(copy, { format: 'text', root: 'content' })).content, 'one')
  assert.deepEqual(await api.copyRoom(room, whole, { history: true }), { room: whole, seq: 2, from: { room, seq: 2 } })
  const entries = async (name) => (await api.readHistory(name)).entries
  assert.deepEqual(await entries(whole), await entries(room))
  await assert.rejects(api.copyRoom(room, whole), coded('room_exists'))
})

test('what was written is erased, and how far that is can be asked, and why it does not go on, and it can be given up', async () => {
  const room = newRoom()
  await api.putDocument(room, 'a secret', { format: 'text', root: 'content' })
  const content = { user: 'back-end' }
  assert.deepEqual(await api.erasure(room), null)
  // As of a server that was killed, and what it had begun cannot be read.
  const nothing = server.databaseUrl.startsWith('postgres') ? "''::bytea" : "x''"
  await server.inDatabase(`insert into erasure (room_id, plan, upto) select id, ${nothing}, head from room where name = '${room}'`)
  await server.inDatabase(`update room set epoch = epoch + 1 where name = '${room}'`)
  const told = await until(async () => {
    const erasure = await api.erasure(room)
    return erasure.failure && erasure
  }, 'it is told why it does not go on')
  const { failure: { reason, at }, ...progress } = told
  assert.deepEqual(progress, { rewritten: false, done: 0, upto: 1 })
  assert.ok(reason.length > 0 && !Number.isNaN(Date.parse(at)), JSON.stringify(told))
  await assert.rejects(api.erase(room, { content }, { dryRun: false }), coded('try_later', { temporary: true }))
  assert.deepEqual([await api.cancelErasure(room), await api.cancelErasure(room), await api.erasure(room)], [true, false, null])

  const dry = await api.erase(room, { content })
  assert.deepEqual([dry.dryRun, dry.done, dry.characters, dry.alive], [true, false, 8, 8])
  const erased = await api.erase(room, { content }, { dryRun: false })
  assert.deepEqual([erased.dryRun, erased.done, erased.characters, erased.seq], [false, true, 8, 2])
  assert.equal(await api.erasure(room), null)
  assert.equal((await api.readDocument(room, { format: 'text', at: 1 })).content, '')
})

test('rooms are listed by pages, and messages published alone and together', async () => {
  const prefix = newRoom()
  const names = ['a', 'b', 'c'].map((name) => `${prefix}/${name}`)
  for (const name of names) await api.publish(name, { text: 'hi' })
  const first = await api.listRooms({ prefix, limit: 2 })
  assert.deepEqual([first.rooms.map(({ room }) => room), first.next], [names.slice(0, 2), names[1]])
  assert.deepEqual((await api.listRooms({ prefix, after: first.next })).rooms.map(({ room }) => room), names.slice(2))
  const saved = await api.publish(names[0], [{ text: 'one' }, { type: 'order.updated', payload: { id: 7 } }])
  assert.deepEqual(saved.map(({ seq }) => seq), [2, 3])
  assert.equal((await api.getRoom(names[0])).seq, 3)
  assert.deepEqual((await api.readHistory(names[0], { kind: 'event' })).entries[0].body.payload, { id: 7 })
})

test('rooms are listed by their last change and by what is kept with them, and told with their size', async () => {
  const prefix = newRoom()
  const [a, b, c] = ['a', 'b', 'c'].map((name) => `${prefix}/${name}`)
  for (const room of [a, b, c]) await api.putDocument(room, { content: room })
  assert.deepEqual((await api.setMeta(a, { status: 'draft', pages: 3 })).meta, { status: 'draft', pages: 3 })
  await api.setMeta(c, { status: 'draft' })
  const listed = async (query) => (await api.listRooms({ prefix, ...query })).rooms.map(({ room }) => room)
  assert.deepEqual(await listed({ meta: { status: 'draft' } }), [a, c])
  assert.deepEqual(await listed({ meta: { status: 'draft', pages: 3 } }), [a])
  assert.equal((await api.setMeta(c, null)).meta, undefined)
  await api.publish(a, { text: 'hi' })
  const first = await api.listRooms({ prefix, sort: 'updated', limit: 1 })
  assert.deepEqual([first.rooms[0].room, await listed({ sort: 'updated', after: first.next })], [a, [c, b]])
  await api.deleteRoom(b)
  assert.deepEqual([await listed(), await listed({ deleted: true })], [[a, c], [b]])
  const { size } = await api.getRoom(a, { size: true })
  assert.deepEqual([size.edits, size.messages, size.events], [1, 1, 0])
  assert.equal((await api.getRoom(a)).size, undefined)
})

test('comments, versions and the past of a room are read, and it goes back', async () => {
  const room = newRoom()
  await api.putDocument(room, 'one\n', { format: 'text', root: 'content' })
  await api.putDocument(room, 'one\ntwo\n', { format: 'text', root: 'content' })
  const { seq } = await api.publish(room, { type: 'comment.created', payload: { text: 'Is that so?', quote: 'two' } })
  await api.publish(room, { type: 'comment.replied', payload: { thread: seq, text: 'It is.' } })
  const { threads, next, partial } = await api.readComments(room, { limit: 1 })
  assert.deepEqual([threads[0].quote, threads[0].replies[0].text, next, partial], ['two', 'It is.', null, undefined])
  const past = api.past(room)
  await past.nameVersion({ seq: 1, label: 'Draft' })
  assert.deepEqual((await past.versions()).map(({ label, authors }) => [label, authors]), [['Draft', ['back-end']]])
  await past.removeVersion({ seq: 1, label: 'Draft' })
  assert.equal((await past.document({ at: 1, format: 'text' })).content, 'one\n')
  assert.ok((await past.document({ at: 1, format: 'yjs' })).content instanceof Uint8Array)
  assert.equal((await past.blame()).runs.at(-1).by, 'back-end')
  assert.equal((await past.diff({ from: 1 })).ops.at(-1).insert, 'two\n')
  assert.match(await past.unifiedDiff({ from: 1 }), /^--- .*\n\+\+\+ .*\n@@ .*\n one\n\+two\n$/)
  assert.equal((await past.activity()).sessions[0].authors[0].user, 'back-end')
  assert.equal((await past.replay()).units.text, 'one\ntwo\n')
  const restored = await past.restore(1, { key: 'back' })
  assert.deepEqual(await past.restore(1, { key: 'back' }), restored)
  assert.equal((await api.readDocument(room, { format: 'text' })).content, 'one\n')
})

test('people are seen, spoken to and put out, and tokens revoked', async () => {
  const room = newRoom()
  await api.publish(room, { text: 'hi' })
  assert.deepEqual((await api.readPresence(room)).users, [])
  assert.deepEqual(await api.disconnect(room, { user: 'nobody', reason: 'no' }), { disconnected: 0 })
  assert.deepEqual(await api.messageUser('nobody/else', { a: 1 }), { sockets: 0 })
  const sub = `${room}/ada`
  const token = await mintToken(secret, { sub, rooms: [{ room: '*', access: 'read' }] })
  const ada = new TuttiServer(server.url, { token })
  assert.equal((await ada.getRoom(room)).access, 'read')
  const revoked = await api.revoke({ sub, until: new Date(Date.now() + 3_600_000).toISOString() })
  assert.equal(revoked.sub, sub)
  // Another server may have taken it, and tells the others.
  const refusal = () => ada.getRoom(room).then(() => null, (error) => error)
  assert.equal((await until(refusal, 'it is refused')).code, 'unauthorized')
  assert.ok((await api.listRevocations({ limit: 1000 })).revocations.some((one) => one.sub === sub))
  assert.equal(typeof (await api.readStats()).rooms, 'number')
})

test('a room is deleted and taken back, and gone for good', async () => {
  const room = `${newRoom()}/deleted`
  await api.putDocument(room, { content: 'Hello' })
  const { deletion, disconnected } = await api.deleteRoom(room)
  assert.deepEqual([deletion.by, deletion.remains, disconnected], ['back-end', 'all', 0])
  await assert.rejects(api.readDocument(room), coded('room_deleted'))
  assert.equal((await api.undeleteRoom(room)).room, room)
  assert.deepEqual((await api.readDocument(room)).content, { content: 'Hello' })
  await api.deleteRoom(room, { hard: true, free: true })
  await until(async () => (await api.putDocument(room, { content: 'Anew' }).catch(() => null))?.seq === 1, 'the name is free')
  await assert.rejects(api.deleteRoom(newRoom()), coded('room_not_found'))
})

/** A server of HTTP that answers as it is told. */
async function startFake (t, answer) {
  const fake = createServer(answer)
  fake.listen(0, '127.0.0.1')
  await once(fake, 'listening')
  t.after(() => { fake.closeAllConnections(); fake.close() })
  return `http://127.0.0.1:${fake.address().port}`
}

test('what is no answer of the server is an error that says so', async (t) => {
  const answers = {
    '/api/v1/rooms/hangs': () => {},
    '/api/v1/rooms/breaks': (response) => { response.writeHead(200, { 'content-length': 100 }).write('{'); response.destroy() },
    '/api/v1/rooms/moves': (response) => response.writeHead(302, { location: '/elsewhere' }).end(),
    '/api/v1/rooms/fails': (response) => response.writeHead(502).end('<h1>Bad gateway</h1>'),
    '/api/v1/rooms/waits': (response) => response.writeHead(503, { 'retry-after': '2' }).end('{"error":{"code":"try_later","message":"soon"}}')
  }
  const url = await startFake(t, (request, response) => answers[request.url](response))
  const short = new TuttiServer(url, { secret, timeoutMs: 500 })
  const far = new TuttiServer(url, { secret })
  await assert.rejects(short.getRoom('hangs'), coded('connection_lost', { temporary: true }))
  await assert.rejects(far.getRoom('breaks'), coded('connection_lost', { temporary: true }))
  await assert.rejects(far.getRoom('moves'), coded('connection_lost'))
  await assert.rejects(far.getRoom('fails'), coded('http_502', { temporary: true }))
  await assert.rejects(far.getRoom('waits'), coded('try_later', { temporary: true, retryAfterMs: 2000 }))
  assert.throws(() => new TuttiServer(url, {}), coded('invalid_options'))
})

test('a webhook is verified as it comes, and nothing that anybody changed', async (t) => {
  const room = newRoom()
  const taken = []
  let webhookSecret
  const url = await startFake(t, async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    taken.push({ headers: request.headers, body: Buffer.concat(chunks), event: await verifyWebhook(webhookSecret, request.headers, Buffer.concat(chunks)) })
    response.writeHead(204).end()
  })
  const webhook = await api.addWebhook({ url, rooms: room, events: ['message.created'] })
  webhookSecret = webhook.secret
  await api.publish(room, { text: 'Grüße' })
  const [{ headers, body, event }] = await until(() => taken.length > 0 && taken, 'the message is told')
  assert.deepEqual([event.type, event.room, event.text, event.user, event.seq], ['message.created', room, 'Grüße', 'back-end', 1])
  const [delivery] = await until(async () => {
    const { deliveries } = await api.listDeliveries(webhook.id, { state: 'delivered' })
    return deliveries.length > 0 && deliveries
  }, 'the delivery is in the log')
  assert.deepEqual([delivery.type, delivery.room, delivery.seq, delivery.id, delivery.status], ['message.created', room, 1, event.id, 204])
  await api.redeliver(webhook.id, delivery.id)
  await until(() => taken.length > 1, 'it is told again')
  assert.equal(taken[1].event.id, event.id)
  assert.equal((await api.testWebhook(webhook.id)).status, 204)
  assert.equal((await api.changeWebhook(webhook.id, { paused: true })).paused, true)
  assert.equal((await api.getWebhook(webhook.id)).paused, true)
  assert.ok((await api.listWebhooks()).some(({ id, secret }) => id === webhook.id && secret === undefined))
  await api.removeWebhook(webhook.id)
  await assert.rejects(api.getWebhook(webhook.id), coded('webhook_not_found'))
  const refused = (...call) => assert.rejects(verifyWebhook(...call), coded('invalid_signature'))
  await verifyWebhook(webhookSecret, new Headers(headers), body.toString())
  await refused(webhookSecret, headers, `${body} `)
  await refused(`whsec_${btoa('another key')}`, headers, body)
  await refused(webhookSecret, { ...headers, 'webhook-id': 'another' }, body)
  await refused(webhookSecret, {}, body)
  await refused(webhookSecret, { ...headers, 'webhook-signature': 'v1,%%% v1, v2,x' }, body)
  await assert.rejects(verifyWebhook('whsec_%%%', headers, body), coded('invalid_secret'))
})

test('signatures of the library that defines them hold, for as long as their time is near', async () => {
  const key = `whsec_${btoa('a key of some bytes')}`
  const signed = (seconds) => {
    const at = new Date(Date.now() + seconds * 1000)
    return { 'webhook-id': 'id', 'webhook-timestamp': String(Math.floor(at / 1000)), 'webhook-signature': `v1,AAAA ${new Webhook(key).sign('id', at, 'docs/plan')}` }
  }
  await verifySignature(key, signed(0), 'docs/plan')
  await verifySignature(key, signed(-290), 'docs/plan')
  await verifySignature(key, signed(290), 'docs/plan')
  for (const seconds of [-310, 310]) await assert.rejects(verifySignature(key, signed(seconds), 'docs/plan'), coded('invalid_signature'))
  await verifySignature(key, signed(-310), 'docs/plan', { tolerance: 600 })
})
