// The client where no WebSocket gets through.

import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { failure, gather, loadDice, start, stopClock } from './support/client.mjs'
import { chat, until } from './support/json-server.mjs'

/** A client behind a proxy that lets no upgrade through, online by a stream. */
async function startStreaming (t, { upgrade = 502, ...options } = {}) {
  const started = await start(t, { token: 'x.y.z', ...options })
  const { server } = started
  server.lets.upgrade = upgrade
  loadDice(t, 0)
  const peer = (await server.accept()).welcome()
  await started.stateIs('online')
  return { ...started, peer }
}

const joined = async ({ tutti, peer }, options) => {
  const room = tutti.room('general')
  await peer.admit(options)
  return room.joined()
}

for (const upgrade of [400, 403, 502, 'drop']) {
  test(`after two upgrades that fail (${upgrade}) an event stream carries everything, and the app is told`, async (t) => {
    const { server, tutti, peer } = await startStreaming(t, { upgrade })
    assert.ok(server.upgrades >= 2)
    assert.deepEqual(tutti.getState(), { state: 'online', transport: 'stream' })
    assert.deepEqual([peer.token, tutti.userId, tutti.clientId], ['x.y.z', 'ada', 'c1'])
    const room = await joined({ tutti, peer })
    const heard = gather(room, 'message')
    const sent = room.send('hello')
    const request = await peer.take('chat.message')
    peer.save(request, 1)
    assert.equal((await sent).seq, 1)
    peer.send(chat(1))
    await until(() => heard.length === 1, 'the message is heard')
    assert.ok(server.requests.every(({ authorization }) => authorization === 'Bearer x.y.z'))
    assert.ok(server.requests.every(({ url }) => !url.includes('x.y.z')), 'no token is in a URL')
  })
}

test('one upgrade that fails is no reason for a stream', async (t) => {
  const { server, tutti, stateIs } = await start(t)
  loadDice(t, 0)
  server.lets.upgrade = 502
  await until(() => server.upgrades === 1, 'an upgrade was tried')
  server.lets.upgrade = true
  const peer = (await server.accept()).welcome()
  await stateIs('online')
  assert.deepEqual(tutti.getState(), { state: 'online', transport: 'websocket' })
  assert.ok(peer.protocols.includes('tutti.v1'))
})

test('a WebSocket that opens and never says anything is none', async (t) => {
  const { server, tutti, stateIs } = await start(t)
  loadDice(t, 0)
  for (let i = 0; i < 2; i += 1) (await server.accept()).cut()
  const peer = await server.accept()
  assert.deepEqual(peer.protocols, [''])
  peer.welcome()
  await stateIs('online')
  assert.equal(tutti.getState().transport, 'stream')
})

test('where streams do not work either, both have their turns', async (t) => {
  const { server, stateWas } = await start(t)
  loadDice(t, 0)
  Object.assign(server.lets, { upgrade: 502, stream: false })
  await until(() => server.upgrades >= 5, 'WebSockets are tried on')
  const streams = server.requests.filter(({ url }) => url === '/api/v1/events').length
  assert.ok(streams >= 2, `${streams} streams`)
  server.lets.upgrade = true
  ;(await server.accept()).welcome()
  await stateWas('online')
})

test('a close with a code of the server is no upgrade that failed', async (t) => {
  const { server, tutti, stateIs } = await start(t)
  loadDice(t, 0)
  for (let i = 0; i < 3; i += 1) (await server.accept()).close(1013)
  ;(await server.accept()).welcome()
  await stateIs('online')
  assert.equal(tutti.getState().transport, 'websocket')
})

test('once WebSockets work again the client changes over, and what was not answered is sent again with its key', async (t) => {
  const started = await startStreaming(t)
  const { server, tutti, peer, stateIs } = started
  const room = await joined(started, { seq: 7 })
  const heard = gather(room, 'message')
  peer.send(chat(8))
  await until(() => heard.length === 1, 'an entry is heard')
  const sent = room.send('hello')
  const first = await peer.take('chat.message')
  server.lets.upgrade = true
  // One proves that upgrades work, the next one is the connection.
  const trial = (await server.accept()).welcome()
  const next = (await server.accept()).welcome()
  const join = await next.admit({ seq: 8 })
  assert.equal(join.since, 8)
  await stateIs('online')
  assert.equal(tutti.getState().transport, 'websocket')
  const again = await next.take('chat.message')
  assert.deepEqual([again.key, again.text], [first.key, 'hello'])
  next.send(chat(8), chat(9))
  next.save(again, 9)
  assert.equal((await sent).seq, 9)
  await until(() => heard.length === 2, 'the next entry is heard')
  assert.deepEqual(heard.map(({ seq }) => seq), [8, 9])
  await Promise.all([trial.ended, peer.ended])
})

test('WebSockets are tried again later and later', async (t) => {
  stopClock(t)
  const { server, stateIs } = await start(t)
  server.lets.upgrade = 502
  const random = loadDice(t, 0.5)
  const waits = []
  for (let i = 0; i < 2; i += 1) {
    await until(() => server.upgrades === i + 1, 'an upgrade is tried')
    await stateIs('offline')
    mock.timers.tick(500 * 2 ** i)
  }
  ;(await server.accept()).welcome()
  await stateIs('online')
  random.mock.mockImplementation(() => 1)
  for (let i = 0; i < 4; i += 1) {
    let waitedMs = 0
    const tried = server.upgrades
    // The one before must have failed first, which takes no time by this clock.
    while (server.upgrades === tried) {
      mock.timers.tick(100)
      waitedMs += 100
      for (let turn = 0; turn < 50 && server.upgrades === tried; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    }
    waits.push(waitedMs)
  }
  for (let i = 1; i < waits.length; i += 1) assert.ok(waits[i] > 1.5 * waits[i - 1], waits.join())
})

test('requests go one after another, and what waits meanwhile goes together', async (t) => {
  const started = await startStreaming(t)
  const { server, tutti, peer } = started
  const room = await joined(started)
  const before = server.requests.length
  for (let i = 0; i < 10; i += 1) {
    room.signal('a.b', i)
    // Each in a turn of its own, so a frame of its own.
    await null
  }
  for (let i = 0; i < 10; i += 1) assert.equal((await peer.take('a.b')).payload, i)
  const posted = server.requests.length - before
  assert.ok(posted >= 1 && posted < 10, `${posted} requests`)
  await until(() => tutti.bufferedAmount === 0, 'nothing is left')
})

test('no message waits for what is said of typing, and typing is over with it', async (t) => {
  const started = await startStreaming(t)
  const { server, tutti, peer } = started
  const room = await joined(started)
  let answer
  server.lets.answer = (body) => body.includes('typing.started') && new Promise((resolve) => { answer = resolve })
  room.typing()
  await peer.take('typing.started')
  const sent = room.send('hello')
  // The answer to the first request is still awaited.
  await peer.take('typing.stopped')
  peer.save(await peer.take('chat.message'), 1)
  assert.equal((await sent).seq, 1)
  answer()
  room.typing()
  await peer.take('typing.started')
  answer()
  await until(() => tutti.bufferedAmount === 0, 'nothing is left')
  tutti.close()
})

test('what is said of typing is lost alone, and goes together while a request is awaited', async (t) => {
  const started = await startStreaming(t)
  const { server, tutti, peer, states } = started
  const rooms = []
  for (const name of ['a', 'b', 'c']) {
    rooms.push(tutti.room(name))
    await peer.admit()
    await rooms.at(-1).joined()
  }
  let answer
  server.lets.answer = (body) => body.includes('typing.started') && new Promise((resolve) => { answer = resolve })
  server.lets.post = 503
  for (const room of rooms) {
    room.typing()
    // Each in a turn of its own, so a frame of its own.
    await null
  }
  await until(() => answer, 'the first is posted')
  const before = server.requests.length
  server.lets.post = 204
  server.lets.answer = async () => {}
  answer()
  assert.deepEqual([(await peer.take('typing.started')).room, (await peer.take('typing.started')).room], ['b', 'c'])
  assert.equal(server.requests.length, before + 1)
  assert.equal(states.at(-1), 'online')
})

test('what the server cannot take now is posted again, and what it no longer knows begins a new stream', async (t) => {
  const started = await startStreaming(t)
  const { server, peer, states } = started
  const room = await joined(started)
  server.lets.post = 503
  const sent = room.send('hello')
  await until(() => server.requests.some(({ body }) => body.includes('hello')), 'it is posted')
  server.lets.post = 204
  peer.save(await peer.take('chat.message'), 1)
  assert.equal((await sent).seq, 1)
  server.lets.post = 404
  const again = room.send('again')
  await until(() => server.requests.some(({ body }) => body.includes('again')), 'it is posted')
  server.lets.post = 204
  const next = (await server.accept()).welcome()
  await next.admit()
  next.save(await next.take('chat.message'), 2)
  assert.equal((await again).seq, 2)
  assert.equal(states.at(-1), 'online')
})

for (const [code, state] of [[4401, 'closed'], [4403, 'closed'], [4504, 'offline'], [1001, 'offline']]) {
  test(`a stream that ends with ${code} is ${state}`, async (t) => {
    const { tutti, peer } = await startStreaming(t)
    const seen = gather(tutti, 'state')
    peer.close(code, 'because')
    await until(() => seen.length > 0, 'it has ended')
    assert.deepEqual([seen[0].state, seen[0].code, seen[0].reason], [state, code, 'because'])
  })
}

test('a stream that is cut is lost, and goes on where it was', async (t) => {
  const started = await startStreaming(t)
  const { server, peer, stateWas } = started
  await joined(started, { seq: 3 })
  peer.cut()
  await stateWas('offline')
  const next = (await server.accept()).welcome()
  assert.equal((await next.admit({ seq: 3 })).since, 3)
  assert.deepEqual(next.protocols, [''], 'a stream is tried first where one worked')
})

test('a comment is nothing, data may have several lines, and bytes go both ways', async (t) => {
  const started = await startStreaming(t)
  const { peer } = started
  const room = await joined(started)
  const heard = gather(room, 'message')
  const bytes = gather(room, 'bytes')
  peer.socket.comment()
  peer.socket.send(JSON.stringify(chat(1), null, 2))
  peer.sendBytes(Uint8Array.of(7, ...Buffer.from('general'), 3, ...Buffer.from('bob'), 9, 8))
  await until(() => bytes.length === 1, 'bytes have come')
  assert.deepEqual([heard.map(({ seq }) => seq), bytes], [[1], [{ user: 'bob', bytes: Uint8Array.of(9, 8) }]])
  assert.ok(room.signalBytes(Uint8Array.of(1, 2)))
  assert.deepEqual(await peer.takeBytes(), Uint8Array.of(7, ...Buffer.from('general'), 1, 2))
})

test('a fresh token is that of all further requests', async (t) => {
  let asked = 0
  const { server, peer } = await startStreaming(t, { token: async () => `token-${asked += 1}` })
  const before = asked
  peer.send({ type: 'token.expiring', expiresAt: '2030-01-01T00:00:00.000Z' })
  const { token } = await peer.take('authenticate')
  assert.equal(token, `token-${before + 1}`)
  assert.equal(server.requests.at(-1).authorization, `Bearer ${token}`)
})

test('who closes says the last things first, and leaves', async (t) => {
  const started = await startStreaming(t)
  const { server, tutti, peer } = started
  const room = await joined(started)
  const sent = room.send('bye')
  tutti.close()
  assert.equal((await failure(sent)).code, 'closed')
  await peer.ended
  assert.deepEqual(server.requests.slice(-2).map(({ method }) => method), ['POST', 'DELETE'])
  assert.match(server.requests.at(-2).body, /bye/)
})
