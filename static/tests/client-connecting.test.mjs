import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import WebSocket from 'ws'
import { Tutti } from '../client/tutti.js'
import { failure, gather, loadDice, start, startOnline, stopClock } from './support/client.mjs'
import { until } from './support/json-server.mjs'

test('the token travels as a subprotocol, and what the server says of the user is known', async (t) => {
  const { server, tutti, states, stateIs } = await start(t, { token: 'x.y.z' })
  assert.equal(tutti.getState().state, 'connecting')
  const peer = await server.accept()
  assert.deepEqual(peer.protocols, ['tutti.v1', 'auth.x.y.z'])
  peer.welcome({ user: 'ada', name: 'Ada L.' })
  await stateIs('online')
  assert.deepEqual(states, ['online'])
  assert.deepEqual([tutti.userId, tutti.userName, tutti.clientId], ['ada', 'Ada L.', 'c1'])
})

test('a client that was only made is idle', () => {
  const tutti = new Tutti('ws://127.0.0.1:1/ws', { token: 'x', WebSocket })
  assert.deepEqual(tutti.getState(), { state: 'idle' })
})

test('a token function is asked anew at each connecting', async (t) => {
  let asked = 0
  const { server, stateIs } = await start(t, { token: async () => `token-${++asked}` })
  loadDice(t, 0)
  const first = await server.accept()
  first.welcome()
  await stateIs('online')
  first.cut()
  const second = await server.accept()
  assert.deepEqual([first.token, second.token], ['token-1', 'token-2'])
})

test('a lost connection is told with its close code, and comes back', async (t) => {
  const { server, tutti, peer, states, stateIs } = await startOnline(t)
  const seen = gather(tutti, 'state')
  loadDice(t, 0)
  peer.close(4502)
  const next = await server.accept()
  next.welcome()
  await stateIs('online')
  assert.deepEqual(states, ['online', 'offline', 'connecting', 'online'])
  assert.deepEqual(seen[0], { state: 'offline', code: 4502, reason: 'this client sent too much', retryInMs: 0 })
})

test('waits double from 0.5 s to 20 s, at random below', async (t) => {
  stopClock(t)
  const { server, tutti, peer, stateIs } = await startOnline(t)
  loadDice(t, 0.5)
  const waits = []
  tutti.on('state', ({ retryInMs }) => { if (retryInMs !== undefined) waits.push(retryInMs) })
  peer.cut()
  for (let i = 0; i < 8; i++) {
    await stateIs('offline')
    mock.timers.tick(waits.at(-1) - 1)
    assert.equal(tutti.getState().state, 'offline')
    mock.timers.tick(1)
    const next = (await server.accept()).welcome()
    await stateIs('online')
    next.cut()
  }
  assert.deepEqual(waits.slice(0, 8), [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000])
})

test('after a connection that held, waits are short again; after one that did not, they are not', async (t) => {
  stopClock(t)
  const { server, tutti, peer, stateIs } = await startOnline(t)
  loadDice(t, 0.5)
  const loseAndReturn = async (lost) => {
    lost.cut()
    await stateIs('offline')
    const { retryInMs } = tutti.getState()
    mock.timers.tick(retryInMs)
    const next = (await server.accept()).welcome()
    await stateIs('online')
    return [retryInMs, next]
  }
  const [first, second] = await loseAndReturn(peer)
  const [afterShort, third] = await loseAndReturn(second)
  mock.timers.tick(10_000)
  const [afterStable] = await loseAndReturn(third)
  assert.deepEqual([first, afterShort, afterStable], [250, 500, 250])
})

for (const code of [4401, 4403, 4404, 4413, 4422]) {
  test(`after ${code} it stays closed, and says why`, async (t) => {
    const { tutti, peer, stateIs } = await startOnline(t)
    peer.close(code, 'because')
    await stateIs('closed')
    assert.deepEqual(tutti.getState(), { state: 'closed', code, reason: 'because' })
    assert.equal((await failure(tutti.ready())).code, 'closed')
  })
}

for (const code of [1001, 1009, 1011, 1013, 4500, 4501, 4502, 4503, 4504]) {
  test(`after ${code} it comes back`, async (t) => {
    const { server, peer } = await startOnline(t)
    loadDice(t, 0)
    peer.close(code)
    await server.accept()
  })
}

test('a refused token is replaced by a fresh one once', async (t) => {
  let asked = 0
  const { server, tutti, stateIs } = await start(t, { token: () => `token-${++asked}` })
  loadDice(t, 0)
  for (let i = 0; i < 2; i++) {
    const peer = await server.accept()
    peer.send({ type: 'welcome', clientId: 'c', heartbeatMs: 25_000, protocol: 'tutti.v1' }, { type: 'auth.error', message: 'the token has expired; get a fresh one' })
    peer.close(4401)
  }
  await stateIs('closed')
  assert.equal(asked, 2)
  assert.deepEqual(tutti.getState(), { state: 'closed', code: 4401, reason: 'the token has expired; get a fresh one' })
})

test('after a token that held, the next refusal is worth a fresh one again', async (t) => {
  const { server, stateIs } = await start(t, { token: () => 'token' })
  loadDice(t, 0)
  for (let i = 0; i < 2; i++) {
    const refused = await server.accept()
    refused.close(4401)
    const held = (await server.accept()).welcome()
    await stateIs('online')
    held.cut()
  }
})

test('a token that cannot be had is asked for again, and nothing is sent without one', async (t) => {
  stopClock(t)
  let asked = 0
  const { server, tutti, stateIs } = await start(t, {
    token: async () => {
      if (++asked === 1) throw new Error('the backend is down')
      return 'token-2'
    }
  })
  await stateIs('offline')
  assert.match(tutti.getState().reason, /the backend is down/)
  mock.timers.tick(500)
  assert.equal((await server.accept()).token, 'token-2')
})

test('no token closes, and open() begins again', async (t) => {
  let token = null
  const { server, tutti, stateIs } = await start(t, { token: () => token })
  await stateIs('closed')
  assert.equal(tutti.getState().code, 4401)
  token = 'new'
  tutti.open()
  ;(await server.accept()).welcome()
  await stateIs('online')
})

test('a server that says nothing is given up', async (t) => {
  stopClock(t)
  const { server, tutti, stateIs } = await start(t)
  const mute = await server.accept()
  await new Promise((resolve) => setImmediate(resolve))
  mock.timers.tick(15_000)
  assert.equal(tutti.getState().state, 'offline')
  await mute.ended
  mock.timers.tick(500)
  ;(await server.accept()).welcome()
  await stateIs('online')
})

test('a token about to run out is renewed on the live connection', async (t) => {
  let asked = 0
  const { peer, tutti, states } = await startOnline(t, { token: async () => `token-${++asked}` })
  const expiring = gather(tutti, 'expiring')
  peer.send({ type: 'token.expiring', expiresAt: '2030-01-01T00:00:00.000Z' })
  assert.equal((await peer.take('authenticate')).token, 'token-2')
  peer.send({ type: 'auth.success', userId: 'ada', name: 'Ada', expiresAt: '2030-01-01T01:00:00.000Z' })
  assert.deepEqual(expiring, [{ expiresAt: '2030-01-01T00:00:00.000Z' }])
  assert.deepEqual(states, ['online'])
})

test('a token set by the app is sent, and used when coming back', async (t) => {
  const { server, peer, tutti } = await startOnline(t, { token: 'old' })
  loadDice(t, 0)
  tutti.setToken('new')
  assert.equal((await peer.take('authenticate')).token, 'new')
  peer.close(4504)
  assert.equal((await server.accept()).token, 'new')
})

test('a refused renewal is an error, and the connection stays', async (t) => {
  const { peer, tutti, errors, states } = await startOnline(t)
  tutti.setToken('bad')
  await peer.take('authenticate')
  peer.send({ type: 'auth.error', message: 'the token has expired; get a fresh one' }, { type: 'server.draining' })
  await new Promise((resolve) => tutti.on('draining', resolve))
  assert.deepEqual(errors.map(({ code, message }) => [code, message]), [['unauthorized', 'the token has expired; get a fresh one']])
  assert.deepEqual(states, ['online'])
})

test('close() is a clean end, and nothing comes back', async (t) => {
  const { peer, tutti, states } = await startOnline(t)
  tutti.close()
  assert.equal(await peer.ended, 1000)
  tutti.close()
  assert.deepEqual(states, ['online', 'closed'])
})

test('a listener that throws hurts neither the others nor the connection', async (t) => {
  const { peer, tutti } = await startOnline(t)
  const reported = []
  t.mock.method(globalThis, 'queueMicrotask', (run) => { try { run() } catch (error) { reported.push(error.message) } })
  const seen = []
  tutti.on('draining', () => { throw new Error('a fault of the app') })
  tutti.on('draining', () => seen.push('draining'))
  peer.send({ type: 'server.draining' })
  await until(() => seen.length === 1)
  assert.deepEqual(reported, ['a fault of the app'])
  t.mock.restoreAll()
  tutti.setToken('still there')
  await peer.take('authenticate')
})
