import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import WebSocket from 'ws'
import { failure, loadDice, start, startInRoom, startOnline, stopClock } from './support/client.mjs'
import { until } from './support/json-server.mjs'

test('a message is acknowledged with its seq and time', async (t) => {
  const { peer, room } = await startInRoom(t)
  const sent = room.send('Hello', { payload: { mood: 'fine' } })
  const { requestId, key, ...message } = await peer.take('chat.message')
  assert.deepEqual(message, { type: 'chat.message', room: 'general', text: 'Hello', payload: { mood: 'fine' } })
  peer.save({ requestId, room: 'general' }, 21)
  assert.deepEqual(await sent, { seq: 21, timestamp: '2026-01-01T00:00:00.021Z' })
})

test('a refusal comes with its code, and later messages go on', async (t) => {
  const { peer, room } = await startInRoom(t)
  const refused = failure(room.send('one'))
  peer.refuse(await peer.take('chat.message'), 'read_only')
  const { code, message, room: name, temporary } = await refused
  assert.deepEqual([code, message, name, temporary], ['read_only', 'refused: read_only', 'general', false])
  const sent = room.publish('order.updated', { id: 1 })
  peer.save(await peer.take('order.updated'), 1)
  assert.equal((await sent).seq, 1)
})

test('what is sent in one turn goes as one array, at most 256 messages in each', async (t) => {
  const { peer, room } = await startInRoom(t)
  peer.frames.length = 0
  for (let i = 0; i < 300; i++) room.signal('cursor.moved', i)
  for (let i = 0; i < 300; i++) assert.equal((await peer.take('cursor.moved')).payload, i)
  assert.deepEqual(peer.frames.map((frame) => frame.length), [256, 44])
  room.signal('cursor.moved', 'alone')
  await peer.take('cursor.moved')
  assert.equal(Array.isArray(peer.frames.at(-1)), false)
})

test('a batch stays within what one frame may have', async (t) => {
  const { peer, room } = await startInRoom(t, { bufferedBytesMax: 8 * 1024 * 1024 })
  peer.frames.length = 0
  for (let i = 0; i < 3; i++) room.signal('blob.sent', 'x'.repeat(600_000))
  for (let i = 0; i < 3; i++) await peer.take('blob.sent')
  assert.equal(peer.frames.length, 3)
})

test('messages sent without a connection wait for it, in order', async (t) => {
  const { server, tutti } = await start(t)
  const room = tutti.room('general')
  const sent = ['one', 'two', 'three'].map((text) => room.send(text))
  const peer = (await server.accept()).welcome()
  await peer.admit()
  for (const [index, text] of ['one', 'two', 'three'].entries()) {
    const message = await peer.take('chat.message')
    assert.equal(message.text, text)
    peer.save(message, index + 1)
  }
  assert.deepEqual((await Promise.all(sent)).map(({ seq }) => seq), [1, 2, 3])
})

test('a message whose acknowledgement was lost is sent again with the same key, before later ones', async (t) => {
  const { server, peer, room, stateWas } = await startInRoom(t)
  loadDice(t, 0)
  const one = room.send('one')
  const first = await peer.take('chat.message')
  peer.cut()
  await stateWas('offline')
  const two = room.send('two')
  const next = (await server.accept()).welcome()
  await next.admit()
  const again = await next.take('chat.message')
  assert.equal(again.key, first.key)
  const later = await next.take('chat.message')
  assert.deepEqual([again.text, later.text], ['one', 'two'])
  assert.notEqual(later.key, again.key)
  next.save(again, 1)
  next.save(later, 2)
  assert.deepEqual([(await one).seq, (await two).seq], [1, 2])
})

test('an acknowledgement that comes twice settles once', async (t) => {
  const { peer, room } = await startInRoom(t)
  const one = room.send('one')
  const message = await peer.take('chat.message')
  peer.save(message, 1)
  peer.save(message, 9)
  assert.equal((await one).seq, 1)
  const two = room.send('two')
  peer.save(await peer.take('chat.message'), 2)
  assert.equal((await two).seq, 2)
})

test('keys are unique within a page, and the app may bring its own', async (t) => {
  const { peer, room } = await startInRoom(t)
  for (let i = 0; i < 20; i++) room.send('x').catch(() => {})
  room.send('x', { key: 'mine' }).catch(() => {})
  const keys = new Set()
  for (let i = 0; i < 21; i++) keys.add((await peer.take('chat.message')).key)
  assert.equal(keys.size, 21)
  assert.ok(keys.has('mine'))
  for (const key of keys) assert.ok(key.length <= 64)
})

test('a full queue rejects, and has room again after an acknowledgement', async (t) => {
  const { peer, room } = await startInRoom(t, { queueMax: 2 })
  const one = room.send('one')
  room.send('two').catch(() => {})
  const refused = await failure(room.send('three'))
  assert.deepEqual([refused.code, refused.temporary], ['queue_full', true])
  peer.save(await peer.take('chat.message'), 1)
  await one
  await peer.take('chat.message')
  room.send('four').catch(() => {})
  assert.equal((await peer.take('chat.message')).text, 'four')
})

test('a queue is bounded in bytes, too', async (t) => {
  const { tutti } = await start(t, { queueBytesMax: 1_000 })
  const room = tutti.room('general')
  room.send('x'.repeat(700)).catch(() => {})
  assert.equal((await failure(room.send('x'.repeat(300)))).code, 'queue_full')
  room.send('x').catch(() => {})
})

test('a message that no frame can hold is refused here, for the server would hang up over it each time', async (t) => {
  const { room } = await startInRoom(t)
  assert.equal((await failure(room.send('x'.repeat(1024 * 1024)))).code, 'too_large')
})

test('half an emoji becomes a replacement character, and a backslash stays one', async (t) => {
  const { peer, room } = await startInRoom(t)
  room.send('a\ud83d \udc4d b👍 \\ud83d').catch(() => {})
  assert.equal((await peer.take('chat.message')).text, 'a\ufffd \ufffd b👍 \\ud83d')
})

test('what is refused for now goes out again after the named time, with the same key', async (t) => {
  stopClock(t)
  const { peer, tutti, room } = await startInRoom(t)
  const sent = room.send('one')
  const message = await peer.take('chat.message')
  peer.refuse(message, 'rate_limited', { temporary: true, retryAfterMs: 400 })
  peer.send({ type: 'server.draining' })
  await new Promise((resolve) => tutti.on('draining', resolve))
  mock.timers.tick(399)
  tutti.setToken('barrier')
  await peer.take('authenticate')
  mock.timers.tick(1)
  const again = await peer.take('chat.message')
  assert.deepEqual([again.text, again.key], ['one', message.key])
  peer.save(again, 1)
  assert.equal((await sent).seq, 1)
})

test('after a refusal for now, order is kept and one goes out at a time', async (t) => {
  stopClock(t)
  const { peer, tutti, room } = await startInRoom(t)
  const sent = ['one', 'two', 'three'].map((text) => room.send(text))
  for (let i = 0; i < 3; i++) peer.refuse(await peer.take('chat.message'), 'rate_limited', { temporary: true, retryAfterMs: 10 })
  peer.send({ type: 'server.draining' })
  await new Promise((resolve) => tutti.on('draining', resolve))
  mock.timers.tick(10)
  for (const [index, text] of ['one', 'two', 'three'].entries()) {
    const message = await peer.take('chat.message')
    assert.equal(message.text, text)
    if (index === 0) {
      tutti.setToken('barrier')
      await peer.take('authenticate')
    }
    peer.save(message, index + 1)
    await sent[index]
  }
})

test('at most 64 requests are under way', async (t) => {
  const { peer, tutti, room } = await startInRoom(t)
  for (let i = 0; i < 100; i++) room.send(String(i)).catch(() => {})
  const first = await peer.take('chat.message')
  for (let i = 1; i < 64; i++) await peer.take('chat.message')
  tutti.setToken('barrier')
  await peer.take('authenticate')
  peer.save(first, 1)
  assert.equal((await peer.take('chat.message')).text, '64')
})

test('a direct message tells how many sockets it reached, and is not repeated after a loss', async (t) => {
  const { server, tutti, peer } = await startOnline(t)
  loadDice(t, 0)
  const one = tutti.direct('bob', { hi: 1 })
  const { requestId, ...message } = await peer.take('direct.message')
  assert.deepEqual(message, { type: 'direct.message', to: 'bob', payload: { hi: 1 } })
  peer.send({ type: 'done', requestId, sockets: 2 })
  assert.deepEqual(await one, { sockets: 2 })
  const two = failure(tutti.direct('bob', 2))
  await peer.take('direct.message')
  peer.cut()
  assert.equal((await two).code, 'connection_lost')
  const next = (await server.accept()).welcome()
  tutti.direct('bob', 3).catch(() => {})
  assert.equal((await next.take('direct.message')).payload, 3)
})

test('signals are sent to those who are here, and not kept for later', async (t) => {
  const { server, peer, room, stateWas } = await startInRoom(t)
  loadDice(t, 0)
  assert.equal(room.signal('cursor.moved', { x: 1 }), true)
  assert.deepEqual(await peer.take('cursor.moved'), { type: 'cursor.moved', room: 'general', payload: { x: 1 }, ephemeral: true })
  peer.cut()
  await stateWas('offline')
  assert.equal(room.signal('cursor.moved', { x: 2 }), false)
  const next = (await server.accept()).welcome()
  await next.admit()
  await until(() => room.isJoined)
  room.signal('cursor.moved', { x: 3 })
  assert.equal((await next.take('cursor.moved')).payload.x, 3)
})

test('a refused signal is told as an error of the room', async (t) => {
  const { peer, room } = await startInRoom(t)
  room.signal('cursor.moved')
  await peer.take('cursor.moved')
  const error = new Promise((resolve) => room.on('error', resolve))
  peer.send({ type: 'error', code: 'read_only', message: 'no', temporary: false, room: 'general' })
  assert.equal((await error).code, 'read_only')
})

test('closing rejects what is not acknowledged, and what comes after', async (t) => {
  const { tutti, peer, room } = await startInRoom(t)
  const under = failure(room.send('under way'))
  await peer.take('chat.message')
  const waiting = failure(tutti.room('other').send('waiting'))
  const joining = failure(tutti.room('other').joined())
  const ready = failure(tutti.ready())
  tutti.close()
  for (const error of [under, waiting, joining, ready, failure(room.send('late'))]) assert.equal((await error).code, 'closed')
})

test('steps are pushed: accepted, or answered with what came between', async (t) => {
  const { peer, room } = await startInRoom(t)
  const accepted = room.push(3, [{ a: 1 }, { b: 2 }], 'me')
  const { requestId, ...message } = await peer.take('edit.push')
  assert.deepEqual(message, { type: 'edit.push', room: 'general', version: 3, steps: [{ a: 1 }, { b: 2 }], clientId: 'me' })
  peer.send({ type: 'saved', room: 'general', seq: 9, timestamp: 't', version: 5, requestId })
  assert.deepEqual(await accepted, { accepted: true, seq: 9, version: 5, timestamp: 't' })
  const between = { version: 6, since: 5, steps: [{ c: 3 }], clientIds: ['you'] }
  const rejected = room.push(5, [{ d: 4 }], 'me')
  peer.send({ type: 'edit.rejected', room: 'general', ...between, requestId: (await peer.take('edit.push')).requestId })
  assert.deepEqual(await rejected, { accepted: false, ...between })
  const asked = room.stepsSince(5)
  const question = await peer.take('edit.push')
  assert.deepEqual([question.version, question.steps], [5, []])
  peer.send({ type: 'edit.rejected', room: 'general', ...between, requestId: question.requestId })
  assert.deepEqual((await asked).steps, [{ c: 3 }])
})

/** A WebSocket whose buffer is as full as the test says. */
function slowLine () {
  const line = { bufferedBytes: 0, WebSocket: class extends WebSocket { get bufferedAmount () { return line.bufferedBytes } } }
  return line
}

test('over a slow line messages wait, signals are dropped, and ready() tells when it is better', async (t) => {
  stopClock(t)
  const line = slowLine()
  const { tutti, peer, room } = await startInRoom(t, { WebSocket: line.WebSocket, bufferedBytesMax: 1_000 })
  await tutti.ready()
  line.bufferedBytes = 1_000
  assert.equal(tutti.bufferedAmount, 1_000)
  const sent = room.send('waits')
  assert.equal(room.signal('cursor.moved'), false)
  assert.equal(room.signalBytes(Uint8Array.of(1)), false)
  let isReady = false
  const ready = tutti.ready().then(() => { isReady = true })
  mock.timers.tick(50)
  tutti.setToken('barrier')
  await peer.take('authenticate')
  assert.equal(isReady, false)
  line.bufferedBytes = 999
  mock.timers.tick(50)
  peer.save(await peer.take('chat.message'), 1)
  await sent
  await ready
})

test('a room is entered over a slow line, too', async (t) => {
  const line = slowLine()
  const { tutti, peer } = await startOnline(t, { WebSocket: line.WebSocket, bufferedBytesMax: 1_000 })
  line.bufferedBytes = 5_000
  const room = tutti.room('general')
  await peer.admit()
  await room.joined()
})
