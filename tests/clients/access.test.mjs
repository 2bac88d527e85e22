// Who may come in, and what a token allows, as the providers live it.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { converge, join, newRoom, open, versions } from './support/client.mjs'
import { denialReason, isDenial } from './support/frames.mjs'
import { startServer } from './support/server.mjs'
import { openSocket, RecordingSocket } from './support/socket.mjs'
import { sign } from './support/token.mjs'
import { until } from './support/until.mjs'

let server
before(async () => (server = await startServer()))
after(() => server.close())

const soon = () => Math.floor(Date.now() / 1000) + 3600
const everything = [{ room: '*', access: 'write' }]
const claims = { sub: 'ada', rooms: everything }
const hs256 = { alg: 'HS256', typ: 'JWT' }
const [unsigned] = sign({ alg: 'none' }, { ...claims, exp: soon() }).match(/^.*\./)

const badTokens = {
  'no token': null,
  'a word': 'password',
  'a token signed with another secret': sign(hs256, { ...claims, exp: soon() }, 'another secret of more than thirty-two bytes'),
  'an expired token signed with another secret': sign(hs256, { ...claims, exp: soon() - 7200 }, 'another secret of more than thirty-two bytes'),
  'a token without an end': sign(hs256, claims),
  'a token whose end is a string': sign(hs256, { ...claims, exp: String(soon()) }),
  'a token that is not valid yet': sign(hs256, { ...claims, exp: soon(), nbf: soon() - 60 }),
  'a token without a user': sign(hs256, { rooms: everything, exp: soon() }),
  'a token for another audience': sign(hs256, { ...claims, exp: soon(), aud: 'someone-else' }),
  'an unsigned token': unsigned,
  'a token that names its own key': sign({ ...hs256, jwk: { kty: 'oct', k: 'AAAA' } }, { ...claims, exp: soon() }, 'AAAA'),
}

const badRooms = {
  'an empty segment': 'docs//a',
  'a parent segment, escaped': 'docs/%2e%2e%2fa',
  'a sign that is not allowed': 'docs/a%3Fb',
  'a NUL': 'docs/a%00b',
  'letters that are not composed': 'docs/a%CC%88',
  'characters that cannot be seen': 'docs/a%E2%80%8Bb',
  'bytes that are no UTF-8': 'docs/%FF',
  'a name of 201 bytes': 'a'.repeat(201),
  'no name': '',
}

/** How a socket that is let in only to be told why was denied: `{ code, reason }`. */
async function denial(socket) {
  const { code } = await socket.ended()
  const reasons = socket.received.filter(isDenial).map(denialReason)
  assert.equal(reasons.length, 1, `one denial frame before the close: ${JSON.stringify(socket.received)}`)
  assert.ok(reasons[0].length > 0, 'the denial says why')
  return { code, reason: reasons[0] }
}

for (const [what, as] of Object.entries(badTokens)) {
  test(`${what} is told so and closed with 4401`, async () => {
    const socket = openSocket(server, newRoom(), { as })
    const { code, reason } = await denial(socket)
    assert.equal(code, 4401)
    assert.ok(as === null || !reason.includes(as), 'the reason does not repeat the token')
  })
}

test('a genuine token that has expired is told so and closed with 4504, to come back with a fresh one', async () => {
  const { code } = await denial(openSocket(server, newRoom(), { as: sign(hs256, { ...claims, exp: soon() - 7200 }) }))
  assert.equal(code, 4504)
})

for (const [what, room] of Object.entries(badRooms)) {
  test(`a room name with ${what} is refused for good`, async () => {
    const socket = openSocket(server, room)
    const closed = await socket.ended()
    const isFinal = closed.code >= 4400 && closed.code < 4500
    assert.ok(isFinal, `closed with ${closed.code} ${closed.reason}`)
    assert.equal(socket.received.filter(isDenial).length, 1)
  })
}

test('a room name of 200 bytes is a room', async (t) => {
  const [version] = versions
  const ada = await join(t, server, { version, room: 'a'.repeat(200) })
  await ada.acknowledged()
})

test('a room that exists and one that does not are denied alike', async (t) => {
  const [version] = versions
  const room = newRoom()
  const ada = await join(t, server, { version, room })
  ada.type('secret')
  await ada.acknowledged()
  const as = server.token({ sub: 'eve', rooms: [{ room: 'elsewhere/*', access: 'write' }] })
  const [known, unknown] = await Promise.all([room, newRoom()].map((one) => denial(openSocket(server, one, { as }))))
  assert.equal(known.code, 4403)
  assert.deepEqual(known, unknown)
})

test('the first pattern that matches a room decides', async (t) => {
  const rooms = [
    { room: 'docs/private/*', access: 'none' },
    { room: 'docs/*', access: 'write' },
  ]
  const as = server.token({ rooms })
  const [version] = versions
  const ada = await join(t, server, { version, room: 'docs/open/deep', as })
  await ada.acknowledged()
  assert.equal((await denial(openSocket(server, 'docs/private/deep', { as }))).code, 4403)
})

test('a token without rooms opens none', async () => {
  const as = sign(hs256, { sub: 'ada', exp: soon() })
  assert.equal((await denial(openSocket(server, newRoom(), { as }))).code, 4403)
})

test('a token in the header Authorization opens a room', async (t) => {
  const headers = { authorization: `Bearer ${server.token()}` }
  const socket = new RecordingSocket(`${server.yjsUrl}/${newRoom()}`, [], { headers })
  t.after(() => socket.terminate())
  await socket.opened()
  await until(() => socket.receivedFrames > 0, 'the server greets')
  assert.equal(socket.received.filter(isDenial).length, 0)
})

test('a page from elsewhere is refused before the upgrade', async () => {
  const options = { headers: { origin: 'https://elsewhere.example' } }
  const socket = new RecordingSocket(`${server.yjsUrl}/${newRoom()}`, ['tutti.v1', `auth.${server.token()}`], options)
  let status = null
  socket.on('unexpected-response', (_request, response) => {
    status = response.statusCode
    response.resume()
    socket.terminate()
  })
  await until(() => status, 'the upgrade is answered')
  assert.equal(status, 403)
})

test('tokens in URLs can be switched off', async (t) => {
  const strict = await startServer({ args: ['--query-tokens', 'false'] })
  t.after(() => strict.close())
  const socket = openSocket(strict, newRoom(), { as: null, query: `?token=${strict.token()}` })
  assert.equal((await denial(socket)).code, 4401)
  const other = openSocket(strict, newRoom())
  t.after(() => other.terminate())
  await other.opened()
  await until(() => other.receivedFrames > 0, 'the server greets')
})

for (const version of versions) {
  describe(version.name, () => {
    test('a token in the query opens a room', async (t) => {
      const ada = await join(t, server, { version, room: newRoom(), by: 'query' })
      await ada.acknowledged()
      assert.equal(ada.socket.protocol, '')
    })

    test('a token as a subprotocol opens a room and is not repeated', async (t) => {
      const ada = await join(t, server, { version, room: newRoom(), by: 'subprotocol' })
      await ada.acknowledged()
      assert.equal(ada.socket.protocol, 'tutti.v1')
    })

    test('a denied client does not hammer the server', async (t) => {
      const as = server.token({ rooms: [{ room: 'elsewhere', access: 'write' }] })
      const eve = open(t, server, { version, room: newRoom(), as })
      await until(() => eve.sockets[0]?.closed, 'the denied client is closed')
      assert.equal(eve.sockets[0].closed.code, 4403)
      // What is counted are connections in a stretch of time; left alone, 3.0.0 makes 30 in this one.
      const counted = Date.now() + 4_000
      await until(() => Date.now() > counted, 'the time is over')
      const most = version.stopsWhenDenied ? 1 : 6
      assert.ok(eve.sockets.length <= most, `${eve.sockets.length} connections`)
      assert.equal(eve.provider.synced, false)
    })

    test('what a client types that may only read is denied, shown to nobody and not stored', async (t) => {
      const room = newRoom()
      const reader = server.token({ sub: 'rita', rooms: [{ room: '*', access: 'read' }] })
      const ada = await join(t, server, { version, room })
      ada.type('written')
      await ada.acknowledged()
      const rita = await join(t, server, { version, room, as: reader })
      const bob = await join(t, server, { version, room, as: reader })
      assert.equal(rita.content(), 'written')
      assert.equal(rita.denials, 0)
      rita.type(' scribbled')
      await until(() => rita.denials > 0, 'the reader is told')
      ada.type(' more')
      await bob.reads('written more')
      await until(() => rita.content().includes('more'), 'the reader goes on reading')
      assert.deepEqual([rita.denials, rita.sockets.length, rita.socket.closed], [1, 1, null])
      await ada.acknowledged()
      const late = await join(t, server, { version, room })
      assert.equal(late.content(), 'written more')
      assert.equal(ada.content(), 'written more')
    })

    test('what a reader typed offline is denied when it comes back', async (t) => {
      const room = newRoom()
      const as = server.token({ sub: 'rita', rooms: [{ room: '*', access: 'read' }] })
      const ada = await join(t, server, { version, room })
      const rita = await join(t, server, { version, room, as })
      rita.goOffline()
      rita.type('scribbled')
      rita.goOnline()
      await until(() => rita.denials > 0, 'the reader is told')
      ada.type('written')
      await converge([ada], (text) => text === 'written')
      await until(() => rita.content().includes('written'), 'the reader goes on reading')
      assert.equal(ada.content(), 'written')
    })
  })
}
