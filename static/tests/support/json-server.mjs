// A server that says what a test tells it to: real WebSockets, the messages of `tutti.v1`, no behaviour of its own.

import { once } from 'node:events'
import { WebSocketServer } from 'ws'

/** Real ones, also while a test turns the clock by hand. */
const { setTimeout, clearTimeout } = globalThis
const DEADLINE_MS = 60_000

/** Resolves as soon as `isTrue`. */
export async function until (isTrue, what = String(isTrue)) {
  const deadlineMs = performance.now() + DEADLINE_MS
  while (!isTrue()) {
    if (performance.now() > deadlineMs) throw new Error(`this did not become true: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** What comes in, to be taken one by one, also before it is there. */
class Inbox {
  #items = []
  #takers = []

  put (item) {
    const taker = this.#takers.shift()
    if (taker) taker(item)
    else this.#items.push(item)
  }

  async take (what) {
    if (this.#items.length > 0) return this.#items.shift()
    let timer
    const late = new Promise((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`nothing came, where ${what} was due`)), DEADLINE_MS).unref()
    })
    const item = new Promise((resolve) => this.#takers.push(resolve))
    return Promise.race([item, late]).finally(() => clearTimeout(timer))
  }
}

/** The server's side of one connection. */
class Peer {
  /** Frames as they came: arrays are batches. */
  frames = []
  #inbox = new Inbox()
  #seqs = new Map()

  constructor (socket, request) {
    this.socket = socket
    const protocols = request.headers['sec-websocket-protocol'].split(',').map((label) => label.trim())
    this.protocols = protocols
    this.token = protocols.find((label) => label.startsWith('auth.'))?.slice('auth.'.length)
    this.ended = new Promise((resolve) => socket.on('close', (code) => resolve(code)))
    socket.on('message', (data, isBinary) => {
      if (isBinary) return this.#inbox.put(new Uint8Array(data))
      const frame = JSON.parse(String(data))
      this.frames.push(frame)
      for (const message of [frame].flat()) this.#inbox.put(message)
    })
  }

  /** The next message; a type other than the expected one is an error. */
  async take (type) {
    const message = await this.#inbox.take(type)
    if (message.type !== type) throw new Error(`${type} was due, and this came: ${JSON.stringify(message)}`)
    return message
  }

  takeBytes () { return this.#inbox.take('a binary frame') }

  send (...messages) { for (const message of messages) this.socket.send(JSON.stringify(message)) }

  sendBytes (bytes) { this.socket.send(bytes) }

  close (code, reason) { this.socket.close(code, reason) }

  /** The line goes dead in the middle. */
  cut () { this.socket.terminate() }

  welcome ({ user = 'ada', name = 'Ada', heartbeatMs = 25_000 } = {}) {
    this.send(
      { type: 'welcome', clientId: 'c1', heartbeatMs, protocol: 'tutti.v1' },
      { type: 'auth.success', userId: user, name, expiresAt: '2030-01-01T00:00:00.000Z' }
    )
    return this
  }

  /** Takes a room.join and grants it. @returns the join */
  async admit ({ seq = 0, access = 'write', recovered = true, members = [], users = [] } = {}) {
    const join = await this.take('room.join')
    const { room, requestId } = join
    this.send(
      { type: 'room.joined', room, seq, access, recovered, members, requestId },
      { type: 'presence.state', room, count: users.length, users }
    )
    return join
  }

  /** Answers a durable request. */
  save ({ requestId, room }, seq) { this.send({ type: 'saved', room, seq, timestamp: stamp(seq), requestId }) }

  refuse ({ requestId, room }, code, more) { this.send({ type: 'error', code, message: `refused: ${code}`, temporary: false, room, requestId, ...more }) }
}

const stamp = (seq) => new Date(Date.UTC(2026, 0, 1) + seq).toISOString()

/** A chat message as all get it. */
export const chat = (seq, text = `text ${seq}`, room = 'general') =>
  ({ type: 'chat.message', room, user: 'bob', name: 'Bob', timestamp: stamp(seq), seq, text })

/** A server on a free port. `accept()` yields its connections in order. */
export async function startServer () {
  const inbox = new Inbox()
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: (labels) => labels.has('tutti.v1') && 'tutti.v1' })
  server.on('connection', (socket, request) => inbox.put(new Peer(socket, request)))
  await once(server, 'listening')
  return {
    url: `ws://127.0.0.1:${server.address().port}/ws`,
    /** @returns {Promise<Peer>} */
    accept: () => inbox.take('a connection'),
    stop () {
      for (const socket of server.clients) socket.terminate()
      server.close()
    }
  }
}
