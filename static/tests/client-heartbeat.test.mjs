import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { loadDice, startOnline, stopClock } from './support/client.mjs'
import { until } from './support/json-server.mjs'

/** A page's `window` and `document`, as far as the client listens to them. */
function openPage (context) {
  const page = new EventTarget()
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  const globals = {
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page),
    document
  }
  Object.assign(globalThis, globals)
  context.after(() => { for (const name of Object.keys(globals)) delete globalThis[name] })
  return {
    fire: (type) => page.dispatchEvent(new Event(type)),
    show (visibilityState) {
      document.visibilityState = visibilityState
      document.dispatchEvent(new Event('visibilitychange'))
    }
  }
}

test('a quiet connection is asked for a sign of life, as often as the server wants', async (t) => {
  stopClock(t)
  const { peer, tutti } = await startOnline(t)
  mock.timers.tick(24_999)
  mock.timers.tick(1)
  await peer.take('ping')
  peer.send({ type: 'pong' }, { type: 'server.draining' })
  await new Promise((resolve) => tutti.on('draining', resolve))
  mock.timers.tick(25_000)
  await peer.take('ping')
})

test('a connection that is heard from is not asked', async (t) => {
  stopClock(t)
  const { peer, tutti } = await startOnline(t)
  let heard = 0
  tutti.on('draining', () => heard++)
  for (let i = 1; i <= 4; i++) {
    mock.timers.tick(20_000)
    peer.send({ type: 'server.draining' })
    await until(() => heard === i)
  }
  tutti.setToken('barrier')
  await peer.take('authenticate')
})

test('a connection that gives no answer is dead: it is left, and the client comes back', async (t) => {
  stopClock(t)
  loadDice(t, 0.5)
  const { server, peer, tutti, stateIs } = await startOnline(t)
  mock.timers.tick(25_000)
  await peer.take('ping')
  mock.timers.tick(9_999)
  assert.equal(tutti.getState().state, 'online')
  mock.timers.tick(1)
  assert.equal(tutti.getState().code, 4501)
  mock.timers.tick(250)
  ;(await server.accept()).welcome()
  await stateIs('online')
})

test('a computer that slept asks again before it judges', async (t) => {
  stopClock(t)
  const { peer, tutti } = await startOnline(t)
  mock.timers.tick(25_000)
  await peer.take('ping')
  mock.timers.setTime(Date.now() + 3_600_000)
  mock.timers.tick(10_000)
  await peer.take('ping')
  assert.equal(tutti.getState().state, 'online')
  mock.timers.tick(10_000)
  assert.equal(tutti.getState().state, 'offline')
})

test('a tab that is looked at again checks at once, and waits only 3 s', async (t) => {
  stopClock(t)
  const page = openPage(t)
  const { peer, tutti } = await startOnline(t)
  page.show('hidden')
  page.show('visible')
  await peer.take('ping')
  mock.timers.tick(3_000)
  assert.equal(tutti.getState().state, 'offline')
})

test('an answer ends the doubt', async (t) => {
  stopClock(t)
  const page = openPage(t)
  const { peer, tutti } = await startOnline(t)
  page.fire('offline')
  await peer.take('ping')
  peer.send({ type: 'pong' }, { type: 'server.draining' })
  await new Promise((resolve) => tutti.on('draining', resolve))
  mock.timers.tick(3_000)
  assert.equal(tutti.getState().state, 'online')
})

test('a network that the browser calls gone and that answers nothing is offline within a second', async (t) => {
  stopClock(t)
  const page = openPage(t)
  const { peer, tutti } = await startOnline(t)
  page.fire('offline')
  await peer.take('ping')
  mock.timers.tick(999)
  assert.equal(tutti.getState().state, 'offline')
})

test('what was still on its way when the network went does not stand for an answer', async (t) => {
  stopClock(t)
  const page = openPage(t)
  const { peer, tutti } = await startOnline(t)
  page.fire('offline')
  await peer.take('ping')
  mock.timers.tick(500)
  peer.send({ type: 'server.draining' })
  await new Promise((resolve) => tutti.on('draining', resolve))
  mock.timers.tick(799)
  assert.equal(tutti.getState().state, 'online')
  mock.timers.tick(1)
  assert.equal(tutti.getState().code, 4501)
})

test('a network that is back is used at once', async (t) => {
  stopClock(t)
  const page = openPage(t)
  loadDice(t, 1)
  const { server, peer, stateIs } = await startOnline(t)
  peer.cut()
  await stateIs('offline')
  page.fire('online')
  ;(await server.accept()).welcome()
  await stateIs('online')
})

test('a hidden tab lets the network be, and a closed client listens to nothing', async (t) => {
  stopClock(t)
  const page = openPage(t)
  loadDice(t, 1)
  const { peer, tutti, stateIs } = await startOnline(t)
  peer.cut()
  await stateIs('offline')
  page.show('hidden')
  assert.equal(tutti.getState().state, 'offline')
  tutti.close()
  page.show('visible')
  page.fire('online')
  assert.equal(tutti.getState().state, 'closed')
})
