import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { gather, loadDice, startInRoom, stopClock } from './support/client.mjs'
import { until } from './support/json-server.mjs'

const person = (user, state) => ({ user, name: user, sockets: 1, state })
const usersOf = (list) => list.map(({ user }) => user)

test('who is here is known from the joining, and kept by differences', async (t) => {
  const { peer, room } = await startInRoom(t, { joined: { users: [person('ada'), person('bob', { x: 1 })] } })
  const changes = gather(room, 'presence')
  await until(() => room.presence.count === 2)
  peer.send({ type: 'presence.diff', room: 'general', count: 2, joins: [person('cy')], updates: [person('ada', { x: 2 })], leaves: ['bob', 'nobody'] })
  await until(() => room.presence.users.has('cy'))
  assert.deepEqual([...room.presence.users.keys()], ['ada', 'cy'])
  assert.deepEqual(room.presence.users.get('ada').state, { x: 2 })
  const { joins, updates, leaves, count } = changes.at(-1)
  assert.deepEqual([usersOf(joins), usersOf(updates), leaves, count], [['cy'], ['ada'], [person('bob', { x: 1 })], 2])
})

test('after a return only what differs is told', async (t) => {
  const { server, peer, room } = await startInRoom(t, { joined: { users: [person('ada'), person('bob'), person('cy', { x: 1 })] } })
  loadDice(t, 0)
  await until(() => room.presence.count === 3)
  const changes = gather(room, 'presence')
  peer.cut()
  const next = (await server.accept()).welcome()
  await next.admit({ users: [person('ada'), person('cy', { x: 2 }), person('dee')] })
  await until(() => changes.length === 1)
  const { joins, updates, leaves } = changes[0]
  assert.deepEqual([joins, updates, leaves].map(usersOf), [['dee'], ['cy'], ['bob']])
})

test('a room with too many people for names has a count', async (t) => {
  const { peer, room } = await startInRoom(t, { joined: { users: [person('ada')] } })
  const changes = gather(room, 'presence')
  await until(() => room.presence.count === 1)
  peer.send({ type: 'presence.diff', room: 'general', count: 201, capped: true })
  await until(() => room.presence.count === 201)
  assert.deepEqual([room.presence.isCapped, room.presence.users.size], [true, 0])
  peer.send({ type: 'presence.state', room: 'general', count: 1, users: [person('ada')] })
  await until(() => !room.presence.isCapped)
  assert.deepEqual(usersOf(changes.at(-1).joins), ['ada'])
})

test('an own state goes out at once, then the newest one each 100 ms', async (t) => {
  stopClock(t)
  const { peer, room } = await startInRoom(t)
  for (let x = 1; x <= 5; x++) room.presence.set({ x })
  assert.deepEqual((await peer.take('presence.update')).state, { x: 1 })
  mock.timers.tick(99)
  room.presence.set({ x: 6 })
  mock.timers.tick(1)
  assert.deepEqual((await peer.take('presence.update')).state, { x: 6 })
  mock.timers.tick(1_000)
  room.presence.set({ x: 7 })
  assert.deepEqual((await peer.take('presence.update')).state, { x: 7 })
})

test('an own state is told again after each return, also one that was set meanwhile', async (t) => {
  const { server, peer, room, stateWas } = await startInRoom(t)
  loadDice(t, 0)
  room.presence.set({ x: 1 })
  await peer.take('presence.update')
  peer.cut()
  await stateWas('offline')
  room.presence.set({ x: 2 })
  const next = (await server.accept()).welcome()
  await next.admit()
  assert.deepEqual((await next.take('presence.update')).state, { x: 2 })
})

test('typing is told once, again every 3 s, and ends 4 s after the last key', async (t) => {
  stopClock(t)
  const { peer, room } = await startInRoom(t)
  for (let i = 0; i < 10; i++) room.typing()
  await peer.take('typing.started')
  mock.timers.tick(2_999)
  room.typing()
  mock.timers.tick(1)
  room.typing()
  await peer.take('typing.started')
  mock.timers.tick(3_999)
  mock.timers.tick(1)
  await peer.take('typing.stopped')
})

test('sending ends typing, and so does the app', async (t) => {
  stopClock(t)
  const { peer, room } = await startInRoom(t)
  room.typing()
  await peer.take('typing.started')
  room.send('Hello').catch(() => {})
  await peer.take('typing.stopped')
  await peer.take('chat.message')
  room.typing()
  await peer.take('typing.started')
  room.typing(false)
  room.typing(false)
  await peer.take('typing.stopped')
  mock.timers.tick(10_000)
  room.signal('test.barrier')
  await peer.take('test.barrier')
})

test('who types is known, and nobody is after a loss', async (t) => {
  const { peer, room, stateWas } = await startInRoom(t)
  const events = gather(room, 'typing')
  peer.send(
    { type: 'user.typing', room: 'general', user: 'bob', name: 'Bob', typing: true },
    { type: 'user.typing', room: 'general', user: 'cy', name: 'Cy', typing: true },
    { type: 'user.typing', room: 'general', user: 'bob', name: 'Bob', typing: false }
  )
  await until(() => events.length === 3)
  assert.deepEqual([...room.typists], [['cy', 'Cy']])
  peer.cut()
  await stateWas('offline')
  assert.equal(room.typists.size, 0)
  assert.deepEqual(events.at(-1), { user: 'cy', name: 'Cy', typing: false })
})
