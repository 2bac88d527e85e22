// A plain client of `/ws`: a WebSocket and JSON, as a page without any library would have it.

import WebSocket from 'ws'
import { until } from './until.mjs'

export class JsonClient {
  /** All messages that came, in order. */
  heard = []
  closed = null
  #asked = 0

  constructor(server, { as = server.token(), url = `${server.url.replace('http', 'ws')}/ws`, headers = {} } = {}) {
    this.socket = new WebSocket(url, as === null ? ['tutti.v1'] : ['tutti.v1', `auth.${as}`], { headers })
    this.socket.on('message', (data, isBinary) => this.heard.push(isBinary ? data : JSON.parse(data)))
    this.socket.on('close', (code) => (this.closed = code))
    this.socket.on('error', () => {})
  }

  say(message) {
    this.socket.send(JSON.stringify(message))
  }

  /** Waits for the first message that `isIt`. */
  async hears(isIt, what, options) {
    const find = () => this.heard.find(isIt)
    const found = await until(() => find() ?? this.closed, what, { state: () => this.heard.slice(-3), ...options })
    if (found === this.closed) throw new Error(`closed with ${this.closed} before: ${what}`)
    return found
  }

  async opened() {
    await this.hears((message) => message.type === 'auth.success', 'the token is accepted')
    return this
  }

  /** Sends a request; its answer. */
  async ask(message, options) {
    const requestId = `r${(this.#asked += 1)}`
    this.say({ ...message, requestId })
    return this.hears((answer) => answer.requestId === requestId, `the answer to ${message.type}`, options)
  }

  async joins(room, options = {}) {
    return this.ask({ type: 'room.join', room, ...options })
  }

  /** Without a word, as when the network is gone. */
  drop() {
    this.socket.terminate()
  }

  close() {
    this.socket.close()
  }
}

/** A client whose token was accepted, closed at the end of the test `t`. */
export async function enter(t, server, options) {
  const client = new JsonClient(server, options)
  t.after(() => client.drop())
  return client.opened()
}
