import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { failure, gather, loadDice, start, startInRoom, startOnline, stopClock } from './support/client.mjs'
import { chat, until } from './support/json-server.mjs'

const seqsOf = (events) => events.map(({ seq }) => seq)

test('a room that is asked for before there is a connection is joined with it', async (t) => {
  const { server, tutti } = await start(t)
  const room = tutti.room('general')
  assert.equal(tutti.room('general'), room)
  const peer = (await server.accept()).welcome()
  const join = await peer.admit({ seq: 7, access: 'read' })
  assert.deepEqual(Object.keys(join).sort(), ['requestId', 'room', 'type'])
  assert.equal(await room.joined(), room)
  assert.deepEqual([room.seq, room.access, room.isJoined], [7, 'read', true])
})

test('joins of one turn are one frame', async (t) => {
  const { server, tutti } = await start(t)
  for (const name of ['a', 'b', 'c']) tutti.room(name)
  const peer = (await server.accept()).welcome()
  for (let i = 0; i < 3; i++) await peer.take('room.join')
  assert.deepEqual(peer.frames.map((frame) => frame.map(({ room }) => room)), [['a', 'b', 'c']])
})

test('a room that is asked for in the moment of getting online is joined once', async (t) => {
  const { server, tutti } = await start(t)
  tutti.on('state', ({ state }) => { if (state === 'online') tutti.room('general') })
  const peer = (await server.accept()).welcome()
  await peer.admit()
  await tutti.room('general').joined()
  tutti.setToken('barrier')
  await peer.take('authenticate')
})

test('an answer to an earlier join of the same room is not taken for the newer one', async (t) => {
  const { tutti, peer } = await startOnline(t)
  tutti.room('general').leave()
  const room = tutti.room('general')
  const joined = gather(room, 'joined')
  await peer.admit({ seq: 5 })
  await peer.take('room.leave')
  await peer.admit({ seq: 9 })
  await room.joined()
  assert.deepEqual(seqsOf(joined), [9])
})

test('after a return a room resumes behind the last entry it has seen', async (t) => {
  const { server, peer, room } = await startInRoom(t, { joined: { seq: 5 } })
  loadDice(t, 0)
  const messages = gather(room, 'message')
  peer.send(chat(6), chat(7))
  await until(() => messages.length === 2)
  peer.cut()
  const next = (await server.accept()).welcome()
  const join = await next.admit({ seq: 9 })
  assert.equal(join.since, 7)
  next.send(chat(8), chat(9), chat(10))
  await until(() => messages.length === 5)
  assert.deepEqual(seqsOf(messages), [6, 7, 8, 9, 10])
})

test('an entry that comes twice is told once', async (t) => {
  const { peer, room } = await startInRoom(t, { joined: { seq: 0 } })
  const messages = gather(room, 'message')
  peer.send(chat(1), chat(2), chat(2), chat(1), chat(3))
  await until(() => messages.at(-1)?.seq === 3)
  assert.deepEqual(seqsOf(messages), [1, 2, 3])
})

test('a connection lost within the replay resumes within the replay', async (t) => {
  const { server, peer, room } = await startInRoom(t, { joined: { seq: 5 } })
  loadDice(t, 0)
  const messages = gather(room, 'message')
  peer.cut()
  const second = (await server.accept()).welcome()
  assert.equal((await second.admit({ seq: 8 })).since, 5)
  second.send(chat(6))
  await until(() => messages.length === 1)
  second.cut()
  const third = (await server.accept()).welcome()
  assert.equal((await third.admit({ seq: 8 })).since, 6)
})

test('an acknowledgement of an own message does not hide what others wrote before it', async (t) => {
  const { peer, room } = await startInRoom(t, { joined: { seq: 5 } })
  const messages = gather(room, 'message')
  const sent = room.send('mine')
  peer.save(await peer.take('chat.message'), 8)
  await sent
  peer.send(chat(6), chat(7), chat(8))
  await until(() => messages.length === 3)
  assert.deepEqual(seqsOf(messages), [6, 7, 8])
})

test('with `since` a first join shows what was there before', async (t) => {
  const { peer, room, join } = await startInRoom(t, { room: { since: 0 }, joined: { seq: 2 } })
  const messages = gather(room, 'message')
  assert.equal(join.since, 0)
  peer.send(chat(1), chat(2))
  await until(() => messages.length === 2)
})

test('that something was erased is told, and whether anything that was said is another now', async (t) => {
  const { peer, room } = await startInRoom(t, { joined: { seq: 5 } })
  const [erased, events] = [gather(room, 'erased'), gather(room, 'event')]
  const stamp = { room: 'general', user: 'root', name: 'Root', timestamp: '2026-11-21T12:16:07.156Z' }
  const told = (seq, payload) => ({ type: 'room.erased', ...stamp, seq, payload })
  peer.send(told(6, { said: true }), told(6, { said: true }), told(7, { said: false }), told(8))
  await until(() => erased.length === 3)
  const { room: _room, ...by } = stamp
  assert.deepEqual(erased, [{ ...by, seq: 6, said: true }, { ...by, seq: 7, said: false }, { ...by, seq: 8, said: true }])
  assert.deepEqual(events, [])
})

test('a gap that the server cannot fill is told, and what is live goes on behind it', async (t) => {
  const { server, peer, room } = await startInRoom(t, { joined: { seq: 5 } })
  loadDice(t, 0)
  const gaps = gather(room, 'gap')
  const messages = gather(room, 'message')
  peer.cut()
  const next = (await server.accept()).welcome()
  await next.admit({ seq: 20_005, recovered: false })
  next.send(chat(20_006))
  await until(() => messages.length === 1)
  assert.deepEqual(gaps, [{ since: 5, seq: 20_005 }])
  assert.equal(room.seq, 20_006)
})

test('a room that may not be entered says so to everybody who waits for it', async (t) => {
  const { tutti, peer, errors } = await startOnline(t)
  const room = tutti.room('secret')
  const outcomes = Promise.all([failure(room.joined()), failure(room.send('hello'))])
  peer.refuse(await peer.take('room.join'), 'forbidden')
  assert.deepEqual((await outcomes).map(({ code }) => code), ['forbidden', 'forbidden'])
  assert.equal((await failure(room.send('again'))).code, 'forbidden')
  assert.deepEqual(errors.map(({ code, room }) => [code, room]), [['forbidden', 'secret']])
})

test('a name that no room can have is refused without being repeated, and joined() rejects', async (t) => {
  const { peer, tutti } = await startOnline(t)
  const refused = failure(tutti.room('a*').joined())
  tutti.room('fine')
  const { requestId } = await peer.take('room.join')
  peer.send({ type: 'error', code: 'invalid_message', message: 'a room name may not hold *', temporary: false, requestId })
  assert.equal((await refused).message, 'a room name may not hold *')
  assert.equal((await peer.take('room.join')).room, 'fine')
})

test('a refused room is tried again with a renewed token', async (t) => {
  const { tutti, peer } = await startOnline(t)
  const room = tutti.room('secret')
  const refused = failure(room.joined())
  peer.refuse(await peer.take('room.join'), 'forbidden')
  await refused
  tutti.setToken('better')
  await peer.take('authenticate')
  peer.send({ type: 'auth.success', userId: 'ada', name: 'Ada', expiresAt: '2030-01-01T00:00:00.000Z' })
  await peer.admit()
  await room.joined()
})

test('a room that cannot be entered now is tried again after the time that the server names', async (t) => {
  stopClock(t)
  const { tutti, peer } = await startOnline(t)
  const room = tutti.room('general')
  const errors = gather(room, 'error')
  peer.refuse(await peer.take('room.join'), 'try_later', { temporary: true, retryAfterMs: 700 })
  tutti.setToken('barrier')
  await peer.take('authenticate')
  peer.send({ type: 'server.draining' })
  await new Promise((resolve) => tutti.on('draining', resolve))
  mock.timers.tick(699)
  mock.timers.tick(1)
  await peer.admit()
  await room.joined()
  assert.deepEqual(errors, [])
})

test('who is evicted gets told, loses what waited, and does not come back by itself', async (t) => {
  const { server, tutti, peer, room } = await startInRoom(t)
  loadDice(t, 0)
  const evicted = gather(room, 'evicted')
  peer.send({ type: 'room.evicted', room: 'general', reason: 'removed by an admin' })
  await until(() => evicted.length === 1)
  assert.deepEqual(evicted, [{ reason: 'removed by an admin' }])
  assert.equal((await failure(room.send('hello'))).code, 'evicted')
  peer.cut()
  const next = (await server.accept()).welcome()
  tutti.room('other')
  assert.equal((await next.take('room.join')).room, 'other')
})

test('a changed access is told', async (t) => {
  const { peer, room } = await startInRoom(t)
  const changes = gather(room, 'access')
  peer.send({ type: 'room.access', room: 'general', access: 'read' })
  await until(() => changes.length === 1)
  assert.equal(room.access, 'read')
})

test('a room that was left is not joined again, and asking for it makes a new one', async (t) => {
  const { server, tutti, peer, room } = await startInRoom(t, { joined: { seq: 5 } })
  loadDice(t, 0)
  room.leave()
  assert.equal((await peer.take('room.leave')).room, 'general')
  assert.equal((await failure(room.send('hello'))).code, 'left')
  const again = tutti.room('general')
  assert.notEqual(again, room)
  const messages = gather(again, 'message')
  peer.send({ type: 'room.left', room: 'general' })
  assert.equal((await peer.admit({ seq: 6 })).since, undefined)
  peer.send(chat(7))
  await until(() => messages.length === 1)
  again.leave()
  await peer.take('room.leave')
  peer.cut()
  const next = (await server.accept()).welcome()
  tutti.room('other')
  assert.equal((await next.take('room.join')).room, 'other')
})

test('app events come by their own name and as `event`; with a seq or ephemeral', async (t) => {
  const { peer, room } = await startInRoom(t)
  const [all, updated] = [gather(room, 'event'), gather(room, 'order.updated')]
  const stamp = { room: 'general', user: 'bob', name: 'Bob', timestamp: '2026-01-01T00:00:00.000Z' }
  peer.send(
    { type: 'order.updated', ...stamp, seq: 1, payload: { id: 1 } },
    { type: 'order.updated', ...stamp, ephemeral: true, payload: { id: 2 } },
    { type: 'sensor.reading', ...stamp, seq: 2 },
    { type: 'room.something_newer', ...stamp }
  )
  await until(() => all.length === 3)
  assert.deepEqual(updated.map(({ payload, seq }) => [payload.id, seq]), [[1, 1], [2, undefined]])
  assert.deepEqual(all.map(({ type }) => type), ['order.updated', 'order.updated', 'sensor.reading'])
})

test('edits are asked for, and come as bytes', async (t) => {
  const { peer, room, join } = await startInRoom(t, { room: { edits: true } })
  assert.equal(join.edits, true)
  const edits = gather(room, 'edit')
  peer.send({ type: 'edit', room: 'general', user: 'bob', timestamp: '2026-01-01T00:00:00.000Z', seq: 1, update: 'AAH/' })
  await until(() => edits.length === 1)
  assert.deepEqual(edits[0].update, Uint8Array.of(0, 1, 255))
})

test('binary signals carry the room, and bring the user', async (t) => {
  const { peer, room } = await startInRoom(t)
  const received = gather(room, 'bytes')
  assert.equal(room.signalBytes(Uint8Array.of(1, 2, 3)), true)
  assert.deepEqual(await peer.takeBytes(), Uint8Array.of(7, ...Buffer.from('general'), 1, 2, 3))
  peer.sendBytes(Uint8Array.of(7, ...Buffer.from('general'), 3, ...Buffer.from('bob'), 9, 8))
  await until(() => received.length === 1)
  assert.deepEqual(received, [{ user: 'bob', bytes: Uint8Array.of(9, 8) }])
})

test('a long name of a room has its length in two bytes', async (t) => {
  const { tutti, peer } = await startOnline(t)
  const name = 'r'.repeat(200)
  const room = tutti.room(name)
  await peer.admit()
  await room.joined()
  room.signalBytes(Uint8Array.of(5))
  assert.deepEqual(await peer.takeBytes(), Uint8Array.of(0xc8, 0x01, ...Buffer.from(name), 5))
})

test('binary signals have a limit, and go nowhere without the room', async (t) => {
  const { tutti, peer, room } = await startInRoom(t)
  const header = 1 + 'general'.length
  assert.equal(room.signalBytes(new Uint8Array(65_536 - header)), true)
  assert.equal((await peer.takeBytes()).length, 65_536)
  assert.throws(() => room.signalBytes(new Uint8Array(65_537 - header)), { code: 'too_large' })
  assert.equal(tutti.room('other').signalBytes(Uint8Array.of(1)), false)
})

test('direct messages come to the connection', async (t) => {
  const { tutti, peer } = await startOnline(t)
  const direct = gather(tutti, 'direct')
  peer.send({ type: 'direct.message', user: 'bob', name: 'Bob', to: 'ada', payload: { hi: 1 }, timestamp: '2026-01-01T00:00:00.000Z' })
  await until(() => direct.length === 1)
  assert.deepEqual(direct[0].payload, { hi: 1 })
})

test('through drops and repeated frames each entry comes once and in order, and each message is stored once', async (t) => {
  const { server, peer: first, room } = await startInRoom(t)
  loadDice(t, 0)
  const messages = gather(room, 'message')
  const timeline = []
  const seqOfKey = new Map()
  const store = (key, text) => {
    timeline.push(chat(timeline.length + 1, text))
    seqOfKey.set(key, timeline.length)
  }
  const serve = async (peer, cutAfter) => {
    for (let taken = 1; ; taken++) {
      const message = await peer.take('chat.message')
      if (!seqOfKey.has(message.key)) store(message.key, message.text)
      store(Symbol('somebody else'), 'between')
      // The last one is committed, and its author does not hear of it.
      if (taken === cutAfter) return peer.cut()
      for (const entry of timeline.slice(-3)) peer.send(entry)
      peer.save(message, seqOfKey.get(message.key))
    }
  }
  const sent = Array.from({ length: 200 }, (_, i) => room.send(String(i)))
  let peer = first
  for (let round = 1; round <= 12; round++) {
    await serve(peer, 1 + round * 7 % 13)
    peer = (await server.accept()).welcome()
    const { since } = await peer.admit({ seq: timeline.length })
    for (const entry of timeline.slice(since)) peer.send(entry)
  }
  serve(peer, Infinity).catch(() => {})
  const acknowledged = await Promise.all(sent)
  await until(() => messages.length === timeline.length)
  assert.deepEqual(seqsOf(messages), timeline.map(({ seq }) => seq))
  assert.deepEqual(messages.filter(({ text }) => text !== 'between').map(({ text }) => text), sent.map((_, i) => String(i)))
  assert.deepEqual(acknowledged.map(({ seq }) => timeline[seq - 1].text), sent.map((_, i) => String(i)))
})

test('the history is asked for by REST beside the socket, with the same token', async (t) => {
  const { server, tutti } = await startInRoom(t, { token: 'x.y.z' })
  const asked = []
  t.mock.method(globalThis, 'fetch', async (url, { headers }) => {
    asked.push([String(url), headers.authorization])
    return Response.json({ entries: [], next: null })
  })
  const page = await tutti.room('docs/my plan').history({ after: 5, limit: 10, kind: undefined })
  assert.deepEqual(page, { entries: [], next: null })
  assert.deepEqual(asked, [[`${server.url.replace('ws:', 'http:').replace('/ws', '/api/v1')}/rooms/docs/my%20plan/history?after=5&limit=10`, 'Bearer x.y.z']])
})

test('the history can be asked for before there is a connection', async (t) => {
  const asked = []
  t.mock.method(globalThis, 'fetch', async (_, { headers }) => {
    asked.push(headers.authorization)
    return Response.json({ entries: [], next: null })
  })
  for (const token of ['a.b.c', async () => 'a.b.c']) {
    const { tutti } = await start(t, { token })
    await tutti.room('general').history()
  }
  assert.deepEqual(asked, ['Bearer a.b.c', 'Bearer a.b.c'])
  const signedOut = await start(t, { token: () => null })
  assert.equal((await failure(signedOut.tutti.room('general').history())).code, 'unauthorized')
})

test('a server that cannot be asked for the history may be asked later', async (t) => {
  const { room } = await startInRoom(t)
  t.mock.method(globalThis, 'fetch', async () => { throw new TypeError('fetch failed') })
  const { code, temporary } = await failure(room.history())
  assert.deepEqual([code, temporary], ['connection_lost', true])
})

test('a refused question for the history says why', async (t) => {
  const { room } = await startInRoom(t)
  const answer = { error: { code: 'room_not_found', message: 'there is no such room' } }
  t.mock.method(globalThis, 'fetch', async () => Response.json(answer, { status: 404 }))
  const { code, message, temporary } = await failure(room.history())
  assert.deepEqual([code, message, temporary], ['room_not_found', 'there is no such room', false])
})
