// Somebody with the browser client, in Node: what it told, and a room's timeline in the database to compare with.

import assert from 'node:assert/strict'
import WebSocket from 'ws'
import { connect } from '../../../static/client/tutti.js'
import { until } from './until.mjs'

/** A client with what it told about itself. `at`: the server, or a network in front of it. */
export class Talker {
  states = []
  errors = []

  constructor(url, { token, ...options }) {
    this.tutti = connect(url, { token, WebSocket, ...options })
    this.tutti.on('state', (state) => this.states.push(state))
    this.tutti.on('error', (error) => this.errors.push(error))
  }

  room(name, options) {
    const room = this.tutti.room(name, options)
    const heard = []
    for (const kind of ['message', 'event', 'edit', 'steps']) room.on(kind, (entry) => heard.push(entry))
    return Object.assign(room, { heard })
  }

  /** Waits for a state that is, and lasts; most pass by unseen, and are awaited by `was`. */
  async is(state, options) {
    await until(() => this.tutti.getState().state === state, `the client is ${state}`, { state: () => this.states, ...options })
  }

  /** Waits for a state that has been since the client was made. */
  async was(state) {
    await until(() => this.states.some((told) => told.state === state), `the client was ${state}`, { state: () => this.states })
  }
}

export function talk(t, server, { network, as = {}, ...options } = {}) {
  const url = network ? `ws://${network.address}/ws` : `${server.url.replace('http', 'ws')}/ws`
  const talker = new Talker(url, { token: server.token(as), ...options })
  t.after(() => talker.tutti.close())
  return talker
}

/** The room's whole timeline, as the database has it. */
export async function timelineOf(server, room) {
  const entries = []
  for (let after = 0; ; ) {
    const response = await server.fetch(`/api/v1/rooms/${room}/history?after=${after}&limit=1000`)
    if (response.status === 404) return entries
    assert.equal(response.status, 200)
    const page = await response.json()
    entries.push(...page.entries)
    if (page.next === null) return entries
    after = page.next
  }
}

export const numbers = (count) => Array.from({ length: count }, (_, index) => index + 1)
