// The browser client against the real server, in Node: networks that fail, servers that die, tokens that run out.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { networkTo } from './support/proxy.mjs'
import { startServer } from './support/server.mjs'
import { token } from './support/token.mjs'
import { numbers, talk, timelineOf } from './support/tutti.mjs'
import { until } from './support/until.mjs'

let server
let rooms = 0
const newRoom = () => `talk/${(rooms += 1)}`
before(async () => {
  server = await startServer({ args: ['--rate-user', '2000', '--rate-socket', '1000'] })
})
after(() => server.close())

const publish = async (room, body) => {
  const response = await server.fetch(`/api/v1/rooms/${room}/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token({ sub: 'bob' })}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  assert.equal(response.status, 201, await response.clone().text())
  return response.json()
}

const hasHeard = (room, count) => until(() => room.heard.length >= count, `${count} entries are heard`, { state: () => room.heard.length})
const seqs = (entries) => entries.map(({ seq }) => seq)

test("Node's own WebSocket will do", async () => {
  const room = newRoom()
  const program = `
    import { connect } from ${JSON.stringify(new URL('../../static/client/tutti.js', import.meta.url))}
    const tutti = connect(${JSON.stringify(`${server.url}/ws`)}, { token: ${JSON.stringify(token())} })
    const room = tutti.room(${JSON.stringify(room)}, { since: 0 })
    const heard = new Promise((resolve) => room.on('message', resolve))
    await room.send('from a program')
    console.log((await heard).text)
    tutti.close()`
  // Before 22 it has to be asked for.
  const flags = globalThis.WebSocket ? [] : ['--experimental-websocket']
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, '--input-type=module', '--eval', program], { timeout: 120_000 })
  assert.equal(stdout, 'from a program\n')
})

describe('a network that fails', () => {
  test('whoever comes back again and again hears every entry once and in order, while others write', async (t) => {
    const network = await networkTo(t, server)
    const name = newRoom()
    const ada = talk(t, server, { network })
    const room = ada.room(name, { since: 0 })
    await room.joined()
    const count = 2_000
    const writing = (async () => {
      for (let i = 0; i < count; i += 50) {
        await publish(name, Array.from({ length: 50 }, (_, j) => ({ text: `message ${i + j}` })))
        // Wherever it stands then, in the middle of a replay too; now and then surely while it is there.
        if (i % 1_500 === 450) await ada.is('online')
        if (i % 150 === 0) network.drop()
      }
    })()
    await writing
    await hasHeard(room, count)
    assert.deepEqual(seqs(room.heard), numbers(count))
    assert.ok(ada.states.filter(({ state }) => state === 'online').length > 2, 'the client was cut off and came back')
    assert.deepEqual(ada.errors, [])
  })

  test('what is sent without a connection is stored once it is back, in order', async (t) => {
    const network = await networkTo(t, server)
    const name = newRoom()
    const ada = talk(t, server, { network })
    const room = ada.room(name, { since: 0 })
    await room.joined()
    network.cut()
    await ada.is('offline')
    const sent = numbers(100).map((i) => room.send(`message ${i}`))
    network.restore()
    const saved = await Promise.all(sent)
    assert.deepEqual(seqs(saved), numbers(100))
    assert.deepEqual((await timelineOf(server, name)).map(({ body }) => body.text), numbers(100).map((i) => `message ${i}`))
    await hasHeard(room, 100)
    assert.deepEqual(seqs(room.heard), numbers(100))
  })

  test('what was committed while its acknowledgement got lost is sent again and stored once', async (t) => {
    const network = await networkTo(t, server)
    const name = newRoom()
    const ada = talk(t, server, { network })
    const room = ada.room(name, { since: 0 })
    await room.joined()
    network.loseAnswers()
    const sent = [...numbers(20).map((i) => room.send(`message ${i}`)), room.publish('order.updated', { id: 7 })]
    await until(async () => (await timelineOf(server, name)).length === 21, 'all is committed')
    network.restore()
    assert.deepEqual(seqs(await Promise.all(sent)), numbers(21))
    assert.equal((await timelineOf(server, name)).length, 21)
    await hasHeard(room, 21)
    assert.deepEqual(seqs(room.heard), numbers(21))
  })

  test('a connection over which nothing comes any more is found out and replaced', async (t) => {
    const quick = await startServer({ args: ['--ping-interval-ms', '1000'] })
    t.after(() => quick.close())
    const network = await networkTo(t, quick)
    const ada = talk(t, quick, { network })
    const room = ada.room(newRoom())
    await room.joined()
    network.silence()
    await ada.was('offline')
    assert.equal(ada.states.find(({ state }) => state === 'offline').code, 4501)
    const sent = room.send('into the silence')
    network.restore()
    await sent
  })

  test('steps whose acknowledgement got lost are stored once, and come back as the own ones', async (t) => {
    const network = await networkTo(t, server)
    const name = newRoom()
    const ada = talk(t, server, { network })
    const room = ada.room(name)
    assert.deepEqual(await room.push(0, [{ insert: 'a' }], 'ada').then(({ accepted, version }) => [accepted, version]), [true, 1])
    network.loseAnswers()
    const pushed = room.push(1, [{ insert: 'b' }, { insert: 'c' }], 'ada')
    await until(async () => (await timelineOf(server, name)).length === 2, 'the steps are committed')
    network.restore()
    const { accepted, since, version, steps, clientIds } = await pushed
    assert.deepEqual({ accepted, since, version }, { accepted: false, since: 1, version: 3 })
    assert.deepEqual([steps, clientIds], [[{ insert: 'b' }, { insert: 'c' }], ['ada', 'ada']])
    assert.equal((await timelineOf(server, name)).length, 2)
  })
})

describe('a server that goes', () => {
  const own = async (t) => {
    const started = await startServer()
    t.after(() => started.close())
    return started
  }

  test('after a restart the client is back in its rooms, and nothing is missing', async (t) => {
    const mine = await own(t)
    const ada = talk(t, mine)
    let hasHeardOfIt = false
    ada.tutti.on('draining', () => (hasHeardOfIt = true))
    const room = ada.room('general', { since: 0 })
    await room.send('before')
    assert.equal(await mine.stop(), 0)
    await ada.was('offline')
    assert.ok(hasHeardOfIt, 'the server says that it goes')
    assert.ok(ada.states.some(({ state, code }) => state === 'offline' && code === 1001))
    const sent = room.send('while away')
    await mine.start()
    assert.equal((await sent).seq, 2)
    await until(() => room.heard.length === 2, 'both are heard')
    assert.deepEqual(room.heard.map(({ text }) => text), ['before', 'while away'])
  })

  test('of messages during kill -9 each is stored once', async (t) => {
    const mine = await own(t)
    const ada = talk(t, mine)
    const room = ada.room('general', { since: 0 })
    await room.joined()
    const sent = numbers(60).map((i) => room.send(`message ${i}`))
    await sent[0]
    await mine.kill9()
    sent.push(...numbers(40).map((i) => room.send(`message ${60 + i}`)))
    await mine.start()
    await Promise.all(sent)
    const texts = (await timelineOf(mine, 'general')).map(({ body }) => body.text)
    assert.deepEqual(texts, numbers(100).map((i) => `message ${i}`))
    await hasHeard(room, 100)
    assert.deepEqual(seqs(room.heard), numbers(100))
  })
})

describe('tokens', () => {
  test('with a token function a connection outlives its 3 s tokens', async (t) => {
    let asked = 0
    const ada = talk(t, server, {
      token: async () => {
        asked += 1
        return token({ ttl: 3 })
      },
    })
    const room = ada.room(newRoom())
    await room.joined()
    const { clientId } = ada.tutti
    await until(() => asked >= 5, 'the token was renewed four times', { withinMs: 120_000 })
    await room.send('still here')
    assert.equal(ada.tutti.clientId, clientId)
    assert.deepEqual(ada.states.map(({ state }) => state), ['online'])
    assert.deepEqual(ada.errors, [])
  })

  test('a token that ran out closes with 4504, and a token function brings the client back', async (t) => {
    const strict = await startServer({ args: ['--jwt-leeway-s', '0'] })
    t.after(() => strict.close())
    let asked = 0
    const ada = talk(t, strict, {
      token: () => {
        asked += 1
        // The second, asked for shortly before the first runs out, cannot be had.
        if (asked === 2) throw new Error('the backend is away')
        return token({ ttl: asked === 1 ? 5 : 60 })
      },
    })
    await ada.was('offline')
    assert.equal(ada.states.find(({ state }) => state === 'offline').code, 4504)
    await ada.is('online')
    assert.match(ada.errors[0].message, /the backend is away/)
  })

  test('without a new token the app is told before the old one runs out', async (t) => {
    const ada = talk(t, server, { token: token({ ttl: 3 }) })
    const expiring = new Promise((resolve) => ada.tutti.on('expiring', resolve))
    const { expiresAt } = await expiring
    assert.ok(Date.parse(expiresAt) > 0)
    const { clientId } = ada.tutti
    ada.tutti.setToken(token({ ttl: 60 }))
    await ada.room(newRoom()).send('still here')
    assert.equal(ada.tutti.clientId, clientId)
  })

  test('a token that does not hold is final', async (t) => {
    const ada = talk(t, server, { token: `${token()}x` })
    await ada.is('closed')
    assert.equal(ada.tutti.getState().code, 4401)
    await assert.rejects(ada.tutti.room('general').send('no'), { code: 'closed' })
  })

  test('a token function gets one more attempt', async (t) => {
    const tokens = [`${token()}x`, token()]
    const ada = talk(t, server, { token: () => tokens.shift() })
    await ada.is('online')
    let asked = 0
    const mallory = talk(t, server, { token: () => `${token()}x${(asked += 1)}` })
    await mallory.is('closed')
    assert.equal(asked, 2)
  })

  test('a renewal cannot change who one is', async (t) => {
    const ada = talk(t, server, {})
    await ada.is('online')
    ada.tutti.setToken(token({ sub: 'bob' }))
    await ada.is('closed')
    assert.equal(ada.tutti.getState().code, 4401)
  })

  test('rights that a renewal takes away are gone, and those it gives are there', async (t) => {
    const [lost, kept] = [newRoom(), newRoom()]
    const grants = (...list) => list.map(([room, access]) => ({ room, access }))
    const ada = talk(t, server, { as: { rooms: grants([lost, 'write'], [kept, 'read']) } })
    const [gone, stays] = [ada.room(lost), ada.room(kept)]
    await Promise.all([gone.joined(), stays.joined()])
    await assert.rejects(stays.send('no'), { code: 'read_only' })
    let evicted = null
    gone.on('evicted', (event) => (evicted = event))
    ada.tutti.setToken(token({ rooms: grants([kept, 'write']) }))
    await until(() => evicted, 'the room is gone')
    await until(() => stays.access === 'write', 'the other may be written')
    await stays.send('yes')
    await assert.rejects(gone.send('no'), { code: 'evicted' })
  })
})

describe('what the server refuses', () => {
  test('a room that the token does not name cannot be joined, and the others go on', async (t) => {
    const name = newRoom()
    const ada = talk(t, server, { as: { rooms: [{ room: name, access: 'write' }] } })
    const forbidden = ada.room('secrets')
    await assert.rejects(forbidden.joined(), { code: 'forbidden' })
    await assert.rejects(forbidden.send('no'), { code: 'forbidden' })
    await ada.room(name).send('yes')
  })

  test('an operator puts someone out of a room', async (t) => {
    const name = newRoom()
    const ada = talk(t, server)
    const room = ada.room(name)
    await room.joined()
    const evicted = new Promise((resolve) => room.on('evicted', resolve))
    const response = await server.fetch(`/api/v1/rooms/${name}/disconnect`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token({ sub: 'op', rooms: [{ room: '*', access: 'admin' }] })}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ user: 'ada', reason: 'enough for today' }),
    })
    assert.deepEqual(await response.json(), { disconnected: 1 })
    assert.match((await evicted).reason, /enough for today/)
    assert.equal(ada.tutti.getState().state, 'online')
  })

  test('who sends faster than allowed waits, and everything is stored once', async (t) => {
    const strict = await startServer({ args: ['--rate-socket', '50'] })
    t.after(() => strict.close())
    const ada = talk(t, strict)
    const room = ada.room('general', { since: 0 })
    await room.joined()
    const sent = numbers(400).map((i) => room.send(`message ${i}`))
    const saved = await Promise.all(sent)
    assert.deepEqual(seqs(saved).sort((a, b) => a - b), numbers(400))
    const texts = (await timelineOf(strict, 'general')).map(({ body }) => body.text)
    assert.deepEqual(new Set(texts), new Set(numbers(400).map((i) => `message ${i}`)))
    assert.equal(texts.length, 400)
    assert.ok(ada.states.every(({ state }) => state !== 'offline'), JSON.stringify(ada.states))
    await hasHeard(room, 400)
  })

  test('a gap too long to replay is told, and the history fills it', async (t) => {
    const short = await startServer({ args: ['--replay-entries-max', '10'] })
    t.after(() => short.close())
    const ada = talk(t, short)
    const writer = ada.room('general')
    for (const i of numbers(30)) await writer.send(`message ${i}`)
    const bob = talk(t, short, { as: { sub: 'bob' } })
    const room = bob.room('general', { since: 5 })
    const gap = await new Promise((resolve) => room.on('gap', resolve))
    assert.deepEqual(gap, { since: 5, seq: 30 })
    const { entries } = await room.history({ after: gap.since, before: gap.seq + 1, limit: 1000 })
    assert.deepEqual(seqs(entries), numbers(30).slice(5))
  })
})
