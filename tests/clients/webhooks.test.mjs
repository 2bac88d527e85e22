// Webhooks: receivers that take, fail, hang and lie, and a server that is killed between. The judge of signatures is `standardwebhooks`.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import { Postgres } from '../crash/postgres.mjs'
import { join, newRoom, versions } from './support/client.mjs'
import { serverCount, stores } from './support/database.mjs'
import { Server, startServer } from './support/server.mjs'
import { token } from './support/token.mjs'
import { until } from './support/until.mjs'

const [version] = versions
const admin = token({ sub: 'back-end', rooms: [{ room: '*', access: 'admin' }] })

/** An endpoint that keeps what it takes; `answer(request, response, told)` answers in its place where it returns true. */
async function startReceiver (t) {
  const receiver = { taken: [], tried: [], answer: null, secret: null }
  const server = createServer(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    const told = JSON.parse(body)
    receiver.tried.push(told)
    if (receiver.secret) new Webhook(receiver.secret).verify(body, request.headers)
    assert.equal(request.headers['webhook-id'], told.id)
    if (receiver.answer?.(request, response, told)) return
    receiver.taken.push(told)
    response.writeHead(204).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () => { server.closeAllConnections(); server.close() }
  t.after(close)
  return Object.assign(receiver, { url: `http://127.0.0.1:${server.address().port}/hook`, close })
}

for (const store of stores) {
  describe(`webhooks on ${store}`, () => {
    let server
    before(async () => {
      server = await startServer({ store, args: ['--webhook-allow-private', '--room-idle-ms', '100'] })
    })
    after(() => server.close())
    const ask = async (method, path, body) => {
      const response = await server.fetch(`/api/v1/webhooks${path}`, { as: admin, method, body: body && JSON.stringify(body) })
      return { status: response.status, body: response.status === 204 ? null : await response.json() }
    }
    const add = async (t, receiver, more = {}) => {
      const { status, body } = await ask('POST', '', { url: receiver.url, ...more })
      assert.equal(status, 201, JSON.stringify(body))
      assert.match(body.secret, /^whsec_/)
      receiver.secret = body.secret
      t.after(() => ask('DELETE', `/${body.id}`))
      return body.id
    }
    const say = async (room, text) => {
      const response = await server.fetch(`/api/v1/rooms/${room}/messages`, { method: 'POST', body: JSON.stringify({ text }) })
      assert.equal(response.status, 201)
      return (await response.json()).seq
    }
    const of = (list, room, type) => list.filter((told) => told.room === room && told.type === type)

    test('an endpoint hears of messages, of edits once nobody types, and of a new room', async (t) => {
      const receiver = await startReceiver(t)
      const room = newRoom()
      const id = await add(t, receiver, { rooms: room, content: 'text', root: 'content' })
      const seq = await say(room, 'Hello')
      const person = await join(t, server, { version, room })
      person.type('written')
      await person.acknowledged()
      await until(() => of(receiver.taken, room, 'document.changed').length > 0, 'the change is told', { state: () => receiver.tried })
      const [message] = of(receiver.taken, room, 'message.created')
      assert.deepEqual([message.text, message.user, message.seq], ['Hello', 'ada', seq])
      const [created] = of(receiver.taken, room, 'room.created')
      assert.equal(created.seq, 1)
      const changed = of(receiver.taken, room, 'document.changed').at(-1)
      assert.deepEqual([changed.authors, changed.content], [['ada'], 'written'])
      assert.ok(changed.firstSeq <= changed.seq && changed.contentSeq >= changed.seq)
      // The receiver has it a moment before the log does.
      const inLog = async () => (await ask('GET', `/${id}/deliveries?state=delivered`)).body.deliveries
      await until(async () => (await inLog()).length >= receiver.taken.length, 'the log has what was taken')
      for (const { attempts, status } of await inLog()) assert.deepEqual([attempts, status], [1, 204])
    })

    test('of a copy it hears that there is a room, and what its document is, and nothing that was said before', async (t) => {
      const receiver = await startReceiver(t)
      const [room, copy] = [newRoom(), newRoom()]
      await say(room, 'Hello')
      const person = await join(t, server, { version, room })
      person.type('written')
      await person.acknowledged()
      await add(t, receiver, { rooms: copy, content: 'text', root: 'content' })
      const response = await server.fetch(`/api/v1/rooms/${room}/copy`, { method: 'POST', body: JSON.stringify({ to: copy, history: true }) })
      assert.equal(response.status, 201)
      await until(() => of(receiver.taken, copy, 'document.changed').length > 0, 'the document is told', { state: () => receiver.tried })
      await until(() => of(receiver.taken, copy, 'room.created').length > 0, 'the room is told', { state: () => receiver.tried })
      const [created] = of(receiver.taken, copy, 'room.created')
      assert.deepEqual([created.seq, created.user], [(await response.json()).seq, 'ada'])
      assert.equal(of(receiver.taken, copy, 'document.changed').at(-1).content, 'written')
      await say(copy, 'after')
      await until(() => of(receiver.taken, copy, 'message.created').length > 0, 'the message is told', { state: () => receiver.tried })
      assert.deepEqual(of(receiver.taken, copy, 'message.created').map(({ text }) => text), ['after'])
    })

    test('what fails is tried again in its order, and holds back nothing else', async (t) => {
      const receiver = await startReceiver(t)
      const [bad, good] = [newRoom(), newRoom()]
      await add(t, receiver, { events: ['message.created'] })
      let failures = 2
      receiver.answer = (request, response, told) => {
        if (told.room !== bad || failures-- <= 0) return false
        return response.writeHead(500).end()
      }
      for (const text of ['1', '2', '3']) await say(bad, text)
      await say(good, 'free')
      await until(() => of(receiver.taken, bad, 'message.created').length >= 3, 'all are told')
      const texts = of(receiver.taken, bad, 'message.created').map(({ text }) => text)
      assert.deepEqual(texts, ['1', '2', '3'])
      assert.deepEqual(of(receiver.tried, bad, 'message.created').map(({ text }) => text), ['1', '1', '1', '2', '3'])
      const at = receiver.tried.findIndex(({ room }) => room === good)
      assert.ok(at >= 0 && at < receiver.tried.length - 1, 'another room did not wait')
    })

    test('a target that hangs, redirects, answers too much or lies about its length counts as failed', async (t) => {
      const receiver = await startReceiver(t)
      const room = newRoom()
      const id = await add(t, receiver, { rooms: room, events: ['message.created'] })
      const wrong = [
        () => {},
        (response) => response.writeHead(302, { location: receiver.url }).end(),
        (response) => { response.writeHead(200); response.end(Buffer.alloc(64 << 20)) },
        (response) => { response.writeHead(200, { 'content-length': 100 }); response.write('x'); response.destroy() },
      ]
      const count = wrong.length
      receiver.answer = (request, response) => { const next = wrong.shift(); next?.(response); return Boolean(next) }
      await say(room, 'once')
      await until(() => receiver.taken.length > 0, 'it is told in the end', { state: () => receiver.tried.length })
      assert.equal(receiver.tried.length, count + 1)
      assert.equal(new Set(receiver.tried.map(({ id }) => id)).size, 1)
      await until(async () => (await ask('GET', `/${id}/deliveries?state=delivered`)).body.deliveries.length > 0, 'it is in the log')
      const { body: { deliveries: [delivery] } } = await ask('GET', `/${id}/deliveries`)
      assert.deepEqual([delivery.attempts, delivery.state], [count + 1, 'delivered'])
    })

    test('what was said before the server was killed is told after it', async (t) => {
      const receiver = await startReceiver(t)
      const room = newRoom()
      await add(t, receiver, { rooms: room, events: ['message.created'] })
      const told = () => new Set(of(receiver.taken, room, 'message.created').map(({ seq }) => seq))
      const seqs = []
      for (let round = 0; round < 3; round++) {
        // Of what is sent last the answers may not have come.
        for (let count = 0; count < 10; count++) seqs.push(await say(room, `${round}.${count}`))
        await server.kill9()
        await server.start()
      }
      await until(() => seqs.every((seq) => told().has(seq)), 'all are told', { state: () => [...told()] })
      const first = [...told()]
      assert.deepEqual(first, [...first].sort((a, b) => a - b))
    })

    test('an endpoint hears of all that is said from the moment that it is there, however busy the server is', async (t) => {
      const other = await startReceiver(t)
      await add(t, other, { events: ['message.created'] })
      for (let round = 0; round < 20; round++) {
        const receiver = await startReceiver(t)
        const room = newRoom()
        // Others are told all the time.
        const busy = Promise.all(Array.from({ length: 5 }, () => say(newRoom(), 'busy')))
        await add(t, receiver, { rooms: room, events: ['message.created'] })
        await say(room, 'at once')
        await busy
        await until(() => receiver.taken.length > 0, 'it is told', { withinMs: 20_000 })
      }
    })

    test('an endpoint is paused, goes on, is tested, and told again', async (t) => {
      const receiver = await startReceiver(t)
      const room = newRoom()
      const id = await add(t, receiver, { rooms: room, events: ['message.created'] })
      assert.equal((await ask('PATCH', `/${id}`, { paused: true })).body.paused, true)
      await say(room, 'later')
      await until(async () => (await ask('GET', `/${id}/deliveries?state=waiting`)).body.deliveries.length === 1, 'it waits')
      assert.equal(receiver.tried.length, 0)
      assert.equal((await ask('POST', `/${id}/test`)).body.delivered, true)
      assert.deepEqual(receiver.taken.map(({ type }) => type), ['webhook.test'])
      await ask('PATCH', `/${id}`, { paused: false })
      await until(() => of(receiver.taken, room, 'message.created').length === 1, 'it goes on')
      const [{ id: delivery }] = of(receiver.taken, room, 'message.created')
      await until(async () => (await ask('GET', `/${id}/deliveries?state=delivered`)).body.deliveries.length === 1, 'it is in the log')
      assert.equal((await ask('POST', `/${id}/deliveries/${delivery}/redeliver`)).status, 202)
      await until(() => of(receiver.taken, room, 'message.created').length === 2, 'it is told again')
      const listed = await ask('GET', '')
      assert.ok(listed.body.webhooks.some((webhook) => webhook.id === id && !('secret' in webhook)))
    })

    test('presence is told to who names it, and marked', async (t) => {
      const receiver = await startReceiver(t)
      const room = newRoom()
      await add(t, receiver, { rooms: room, events: ['presence.*', 'room.empty'] })
      await until(() => server.fetch('/readyz').then(({ ok }) => ok), 'it is ready')
      const isTold = (type, options) => until(() => of(receiver.taken, room, type).length > 0, `${type} is told`, options)
      let person = await join(t, server, { version, room })
      // A server that was not asked hears of the endpoint within two seconds, and tells it nothing before.
      while (serverCount > 1 && !(await isTold('presence.joined', { withinMs: 1_000 }).then(() => true, () => false))) {
        person.close()
        person = await join(t, server, { version, room })
      }
      await isTold('presence.joined')
      person.close()
      await isTold('room.empty')
      await isTold('presence.left')
      if (serverCount === 1) assert.deepEqual(receiver.taken.map(({ type }) => type).sort(), ['presence.joined', 'presence.left', 'room.empty'])
      assert.ok(receiver.taken.every(({ bestEffort }) => bestEffort))
    })

    test('only who administers everything may, and nonsense is refused', async () => {
      const some = token({ rooms: [{ room: 'a', access: 'admin' }] })
      for (const as of [some, token()]) assert.equal((await server.fetch('/api/v1/webhooks', { as })).status, 403)
      for (const body of [{}, { url: 'ftp://a' }, { url: 'http://a', events: [] }, { url: 'http://a', events: ['A'] }, { url: 'http://a', rooms: '' }, { url: 'http://a', root: 'x' }, { url: 'http://a', content: 'pdf' }]) {
        assert.equal((await ask('POST', '', body)).status, 400, JSON.stringify(body))
      }
      for (const [method, path] of [['GET', '/none'], ['PATCH', '/none'], ['DELETE', '/none'], ['POST', '/none/test'], ['GET', '/none/deliveries'], ['POST', '/none/deliveries/none/redeliver']]) {
        assert.equal((await ask(method, path, method === 'PATCH' ? {} : undefined)).status, 404, path)
      }
    })
  })
}

test('addresses of private networks are refused unless they are allowed', async (t) => {
  const server = await startServer()
  t.after(() => server.close())
  const post = (path, body) => server.fetch(`/api/v1/webhooks${path}`, { as: admin, method: 'POST', body: JSON.stringify(body) })
  for (const url of ['http://127.0.0.1/', 'http://[::1]/', 'http://169.254.169.254/', 'http://2130706433/']) {
    assert.equal((await post('', { url })).status, 400, url)
  }
  const named = await (await post('', { url: 'http://localhost:1/' })).json()
  const tested = await (await post(`/${named.id}/test`)).json()
  assert.deepEqual([tested.delivered, tested.error], [false, 'its address is in a private network'])
})

test('what was said before the database was killed, alone or with the server, is told after it, in its order', async (t) => {
  const postgres = await Postgres.create()
  const folder = postgres.folder
  const drop = async () => { await postgres.kill(); await postgres.drop() }
  const server = new Server({ url: postgres.url, folder, drop }, { args: ['--webhook-allow-private'] })
  t.after(() => server.close())
  await server.start()
  const receiver = await startReceiver(t)
  const room = newRoom()
  const added = await server.fetch('/api/v1/webhooks', {
    as: admin, method: 'POST', body: JSON.stringify({ url: receiver.url, rooms: room, events: ['message.created'] }),
  })
  receiver.secret = (await added.json()).secret
  // What is said is acknowledged, or nobody knows what became of it.
  const [acknowledged, speakers] = [[], []]
  let isOver = false
  const speak = async (speaker) => {
    for (let count = 0; !isOver; count++) {
      const body = JSON.stringify({ text: `${speaker}.${count}` })
      const answer = await server.fetch(`/api/v1/rooms/${room}/messages`, { method: 'POST', body }).catch(() => null)
      if (answer?.status === 201) acknowledged.push((await answer.json()).seq)
      await delay(200)
    }
  }
  for (let speaker = 0; speaker < 2; speaker++) speakers.push(speak(speaker))
  const more = (list, count) => {
    const before = list.length
    return until(() => list.length >= before + count, 'it goes on', { state: () => [acknowledged.length, receiver.tried.length] })
  }
  for (const kill of ['database', 'both']) {
    await more(receiver.taken, 3)
    // One delivery is under way and others wait while it is killed; the database does not hear that it was taken.
    const held = []
    receiver.answer = (request, response, told) => held.push([response, told])
    await until(() => held.length > 0, 'a delivery is under way')
    await more(acknowledged, 5)
    if (kill === 'both') await Promise.all([server.kill9(), postgres.kill()])
    else await postgres.kill()
    receiver.answer = null
    for (const [response, told] of held) {
      receiver.taken.push(told)
      response.writeHead(204).end()
    }
    await postgres.start()
    if (kill === 'both') await server.start()
    await more(acknowledged, 5)
  }
  isOver = true
  await Promise.all(speakers)
  const told = () => new Set(receiver.taken.map(({ seq }) => seq))
  const missing = () => acknowledged.filter((seq) => !told().has(seq))
  await until(() => missing().length === 0, 'all are told', { state: missing })
  const first = [...told()]
  assert.deepEqual(first, [...first].sort((a, b) => a - b))
  assert.equal(new Set(receiver.tried.map(({ id }) => id)).size, first.length, 'told again, each has the id that it had')
})
