// A server that says what a test tells it to: real WebSockets and event streams, the messages of `tutti.v1`, no behaviour of its own.

import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
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

  constructor (socket, { headers }) {
    this.socket = socket
    const protocols = (headers['sec-websocket-protocol'] ?? '').split(',').map((label) => label.trim())
    this.protocols = protocols
    this.token = headers.authorization?.slice('Bearer '.length) ?? protocols.find((label) => label.startsWith('auth.'))?.slice('auth.'.length)
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

/** An event stream, in the place of a WebSocket. */
class StreamEnd extends EventEmitter {
  constructor (response) {
    super()
    this.response = response
    response.writeHead(200, { 'content-type': 'text/event-stream', 'access-control-allow-origin': '*' })
    response.on('close', () => this.emit('close'))
  }

  send (data) {
    const [event, lines] = typeof data === 'string' ? [JSON.parse(data).type, data] : ['binary', Buffer.from(data).toString('base64')]
    this.response.write(`event: ${event}\n${lines.split('\n').map((line) => `data: ${line}\n`).join('')}\n`)
  }

  comment () { this.response.write(':\n\n') }

  close (code, reason = '') { this.response.end(`event: close\ndata: ${JSON.stringify({ code, reason })}\n\n`) }

  terminate () { this.response.destroy() }
}

/**
 * A server on a free port. `accept()` yields its connections in order. `lets.upgrade` says what becomes of upgrades: `true`, a
 * status with which they are answered, or `drop`; `lets.post` the status of what streams' clients post; `lets.answer` what a post's answer
 * waits for, by its text; `lets.stream` whether there are any.
 */
export async function startServer () {
  const inbox = new Inbox()
  const lets = { upgrade: true, post: 204, answer: async () => {}, stream: true }
  /** What came by requests for streams: each a method and a text. */
  const requests = []
  let upgrades = 0
  let stream
  const http = createServer(async (request, response) => {
    if (request.url !== '/api/v1/events' || !lets.stream) {
      const body = await text(request)
      requests.push({ method: request.method, url: request.url, body, authorization: request.headers.authorization })
      const status = request.url.startsWith('/api/v1/events/') ? lets.post : 404
      if (status === 204 && request.method === 'POST') {
        const isBinary = request.headers['content-type'] === 'application/octet-stream'
        stream.emit('message', Buffer.from(body), isBinary)
      }
      await lets.answer(body)
      return response.writeHead(status).end()
    }
    stream = new StreamEnd(response)
    inbox.put(new Peer(stream, request))
  })
  const server = new WebSocketServer({ noServer: true, handleProtocols: (labels) => labels.has('tutti.v1') && 'tutti.v1' })
  http.on('upgrade', (request, socket, head) => {
    upgrades += 1
    // The client may be gone before the answer.
    socket.on('error', () => {})
    if (lets.upgrade === true) return server.handleUpgrade(request, socket, head, (socket) => inbox.put(new Peer(socket, request)))
    if (lets.upgrade === 'drop') socket.destroy()
    else socket.end(`HTTP/1.1 ${lets.upgrade} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return {
    url: `ws://127.0.0.1:${http.address().port}/ws`,
    lets,
    requests,
    get upgrades () { return upgrades },
    /** @returns {Promise<Peer>} */
    accept: () => inbox.take('a connection'),
    stop () {
      for (const socket of server.clients) socket.terminate()
      http.close()
      http.closeAllConnections()
    }
  }
}
