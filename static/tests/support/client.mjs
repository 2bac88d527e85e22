// What the client's tests share: a server and a client for each test, which end with it, and a clock turned by hand.

import { mock } from 'node:test'
import WebSocket from 'ws'
import { connect } from '../../client/tutti.js'
import { startServer, until } from './json-server.mjs'

/** Time passes only by `mock.timers.tick` in this test. Call it first: a timer belongs to the clock that set it. */
export function stopClock (context) {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.UTC(2026, 0, 1) })
  context.after(() => mock.timers.reset())
}

/** The dice show `value`: full jitter waits this part of the longest wait. */
export const loadDice = (context, value) => context.mock.method(Math, 'random', () => value)

/** A server, and a client that connects to it. */
export async function start (context, options) {
  const server = await startServer()
  const states = []
  const errors = []
  const sockets = []
  class KnownWebSocket extends WebSocket {
    constructor (...given) {
      super(...given)
      sockets.push(this)
    }
  }
  const tutti = connect(server.url, { token: 'a.b.c', WebSocket: KnownWebSocket, ...options })
  tutti.on('state', ({ state }) => states.push(state))
  tutti.on('error', (error) => errors.push(error))
  context.after(async () => {
    tutti.close()
    server.stop()
    // Their timers belong to this test's clock.
    await until(() => sockets.every(({ readyState }) => readyState === WebSocket.CLOSED), 'all sockets are closed')
  })
  return {
    server,
    tutti,
    states,
    errors,
    stateIs: (state) => until(() => tutti.getState().state === state, `state ${state}`),
    /** For a state that may have passed already. */
    stateWas: (state) => until(() => states.includes(state), `a state ${state}`)
  }
}

/** The same, online. */
export async function startOnline (context, options) {
  const started = await start(context, options)
  const peer = (await started.server.accept()).welcome()
  await started.stateIs('online')
  return { ...started, peer }
}

/** The same, in the room `general`. */
export async function startInRoom (context, { joined, room: roomOptions, ...options } = {}) {
  const started = await startOnline(context, options)
  const room = started.tutti.room('general', roomOptions)
  const join = await started.peer.admit(joined)
  await room.joined()
  return { ...started, room, join }
}

/** The events of one type, as they come. */
export function gather (emitter, type) {
  const events = []
  emitter.on(type, (event) => events.push(event))
  return events
}

/** The error with which a promise is rejected. */
export const failure = (promise) => promise.then(() => { throw new Error('this was not rejected') }, (error) => error)
