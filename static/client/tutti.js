// The client of Tutti's JSON protocol (`/ws`, subprotocol `tutti.v1`): one module without dependencies, for browsers and Node.js 22.
// From the bottom up: Timer, Emitter; Connection (one socket at a time: token, heartbeat, coming back); Queue (what waits for its
// acknowledgement); Presence, Room, and Tutti, which ties them together. It keeps nothing beyond the page's life, and knows no Yjs.

// --- Types ---------------------------------------------------------------------------------------------------------------------

/** @typedef {'idle' | 'connecting' | 'online' | 'offline' | 'closed'} StateName */
/**
 * `offline`: it comes back by itself, in `retryInMs`. `closed`: it does not; `open()` begins again.
 * @typedef {object} State
 * @property {StateName} state
 * @property {number} [code] The close code that led here; 0 if there was none.
 * @property {string} [reason] For people.
 * @property {number} [retryInMs]
 */
/** @typedef {string | null | undefined} Token Nothing stands for "signed out": the client closes. */
/**
 * @typedef {object} Options
 * @property {Token | (() => Token | Promise<Token>)} token A function is asked at each connecting and before the token runs out.
 * @property {new (url: string, protocols?: string[]) => any} [WebSocket] For Node.js without one of its own: that of npm's `ws`.
 * @property {number} [queueMax] Requests that may wait for their acknowledgement, 1,000; further ones are rejected.
 * @property {number} [queueBytesMax] The same in bytes of JSON, 4 MiB.
 * @property {number} [bufferedBytesMax] More than this in the socket's buffer, and requests wait, signals are dropped. 256 KiB.
 */
/** @typedef {{ seq: number, timestamp: string }} Saved */
/** @typedef {{ user: string, name: string, timestamp: string }} Stamp Who and when, by the server. */
/** @typedef {Stamp & { room: string, seq: number, text: string, payload?: any }} ChatMessage */
/** @typedef {Stamp & { type: string, room: string, payload?: any, seq?: number, ephemeral?: boolean }} AppEvent Without `seq` if it is ephemeral. */
/** @typedef {Stamp & { to: string, payload: any }} DirectMessage */
/** @typedef {{ user: string, name: string, sockets: number, state?: any }} Present */
/** @typedef {{ count: number, joins: Present[], updates: Present[], leaves: Present[] }} PresenceChange */
/** @typedef {Stamp & { room: string, seq: number, version: number, steps: any[], clientIds: (string | number)[] }} Steps `version` is the one before the steps. */
/** @typedef {{ room: string, user: string, timestamp: string, seq: number, update: Uint8Array }} Edit A Yjs update. */
/** @typedef {{ seq: number, version: number, timestamp: string, accepted: true }} PushAccepted */
/** @typedef {{ version: number, since: number, steps: any[], clientIds: (string | number)[], accepted: false }} PushRejected `version` is the head; the steps are those after `since`. */
/** @typedef {{ seq: number, access: string, recovered: boolean, members: Present[], version?: number }} Joined */
/** @typedef {{ since: number, seq: number }} Gap What came after `since`, up to `seq`, was not replayed: read the history. */
/** @typedef {{ seq: number, kind: string, author: string, at: string, body?: any }} HistoryEntry */
/** @typedef {{ after?: number, before?: number, limit?: number, kind?: string, author?: string }} HistoryQuery */
/**
 * @typedef {object} TuttiEvents
 * @property {State} state
 * @property {DirectMessage} direct
 * @property {{ expiresAt: string }} expiring The token runs out soon; with a token function it is renewed by itself.
 * @property {{}} draining The server is about to restart; the client comes back by itself.
 * @property {TuttiError} error What no promise tells: a refused signal, a room that cannot be joined, a token that could not be had.
 */
/**
 * Names with a dot are app events.
 * @typedef {{
 *   message: ChatMessage, event: AppEvent, steps: Steps, edit: Edit, presence: PresenceChange, joined: Joined, gap: Gap,
 *   typing: { user: string, name: string, typing: boolean }, bytes: { user: string, bytes: Uint8Array },
 *   access: { access: string }, evicted: { reason: string }, error: TuttiError
 * } & { [type: `${string}.${string}`]: AppEvent }} RoomEvents
 */

// --- Numbers --------------------------------------------------------------------------------------------------------------------

const BACKOFF_MIN_MS = 500
const BACKOFF_MAX_MS = 20_000
/** A connection that lived this long was a good one: the next loss starts with short waits again. */
const STABLE_MS = 10_000
/** From asking for a token until the server has accepted it. */
const CONNECT_TIMEOUT_MS = 15_000
/** Until `welcome` says otherwise. */
const HEARTBEAT_MS = 25_000
/** How long a ping may stay unanswered; shorter for someone who has just come back to the tab. */
const ANSWER_WAIT_MS = 10_000
const WAKE_WAIT_MS = 3_000
/** Requests under way at a time: fewer than the refusals in a row for which the server hangs up. */
const IN_FLIGHT_MAX = 64
/** Without a hint of the server: after this time a request that was refused for now goes out again. */
const RETRY_MS = 1_000
/** WebSockets do not tell when their buffer empties, so that is looked up. */
const DRAIN_EVERY_MS = 50
const PRESENCE_EVERY_MS = 100
/** The server forgets who types after 6 s. */
const TYPING_REPEAT_MS = 3_000
const TYPING_IDLE_MS = 4_000
const FRAME_BYTES_MAX = 1024 * 1024
const BATCH_MAX = 256
const BINARY_BYTES_MAX = 64 * 1024

const CLOSED_BY_APP = 1000
const UNAUTHORIZED = 4401
const HEARTBEAT_LOST = 4501
/** What a close code means, where the server gives no reason of its own. */
const CLOSE_REASONS = new Map([
  [1001, 'the server restarts'], [1006, 'the connection was lost'], [1009, 'a message was too large'],
  [1011, 'the server had a fault'], [1013, 'the server asks to try later'],
  [UNAUTHORIZED, 'the token does not hold'], [4403, 'the token does not allow this'], [4404, 'the room was deleted'],
  [4413, 'something was too large'], [4422, 'a message could not be read'],
  [4500, 'this client took its messages too slowly'], [HEARTBEAT_LOST, 'the heartbeat was lost'],
  [4502, 'this client sent too much'], [4503, 'the server is being drained'], [4504, 'the token ran out']
])
/** After these coming back is pointless; after all others the client comes back. */
const isFinal = (code) => code >= 4400 && code < 4500

/** Namespaces of the protocol's own messages: no app event is named so. */
const RESERVED = new Set(['auth', 'chat', 'direct', 'edit', 'presence', 'room', 'server', 'token', 'typing', 'user'])
/** What answers a request of the queue. */
const ANSWERS = new Set(['saved', 'done', 'edit.rejected', 'error'])

// --- Errors, timers, listeners, bytes -------------------------------------------------------------------------------------------

/** A refusal by the server, or by the client itself: `queue_full`, `too_large`, `closed`, `connection_lost`, `evicted`, `left`. */
export class TuttiError extends Error {
  name = 'TuttiError'

  /**
   * @param {string} code @param {string} message
   * @param {{ temporary?: boolean, retryAfterMs?: number, room?: string }} [more]
   */
  constructor (code, message, { temporary = false, retryAfterMs, room } = {}) {
    super(message)
    this.code = code
    /** The same may work later. */
    this.temporary = temporary
    this.retryAfterMs = retryAfterMs
    this.room = room
  }
}

class Timer {
  #id
  get isSet () { return this.#id !== undefined }

  set (run, delayMs) {
    this.clear()
    this.#id = setTimeout(() => {
      this.#id = undefined
      run()
    }, delayMs)
  }

  clear () {
    clearTimeout(this.#id)
    this.#id = undefined
  }
}

/** Tells the listeners; how many there were. Set by Emitter, so that nobody outside this module can. */
let emit

/** @template {Record<string, any>} Events */
class Emitter {
  /** @type {Map<PropertyKey, Set<Function>>} */
  #listeners = new Map()

  static {
    emit = (emitter, type, event) => {
      const listeners = [...emitter.#listeners.get(type) ?? []]
      for (const listener of listeners) {
        try {
          listener(event)
        } catch (error) {
          // As with an EventTarget: one listener's fault is reported, and hurts nobody else.
          queueMicrotask(() => { throw error })
        }
      }
      return listeners.length
    }
  }

  /**
   * @template {keyof Events} T
   * @param {T} type @param {(event: Events[T]) => void} listener
   * @returns {() => void} Takes the listener away again.
   */
  on (type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners.add(listener))
    return () => this.off(type, listener)
  }

  /** @template {keyof Events} T @param {T} type @param {(event: Events[T]) => void} listener */
  off (type, listener) { this.#listeners.get(type)?.delete(listener) }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** JSON whose strings any reader accepts: half an emoji (a lone surrogate) becomes U+FFFD. */
const jsonOf = (message) => JSON.stringify(message).replace(/\\(?:\\|ud[89a-f][0-9a-f]{2})/g, (found) => found === '\\\\' ? found : '\\ufffd')

const bytesOf = (text) => encoder.encode(text).length

/** lib0's string (the length in bytes, 7 bits a byte, the lowest first; then UTF-8), and `bytes` behind it. */
function withString (text, bytes) {
  const utf8 = encoder.encode(text)
  const length = []
  let rest = utf8.length
  for (; rest > 127; rest >>>= 7) length.push(rest & 127 | 128)
  length.push(rest)
  const all = new Uint8Array(length.length + utf8.length + bytes.length)
  all.set(length)
  all.set(utf8, length.length)
  all.set(bytes, length.length + utf8.length)
  return all
}

/** Reads such a string at `at`: the string, and where it ends. */
function readString (bytes, at) {
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]
    length |= (byte & 127) << shift
    if (!(byte & 128)) break
  }
  return [decoder.decode(bytes.subarray(at, at + length)), at + length]
}

const bytesFromBase64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0))

const errorFrom = ({ code, message, temporary, retryAfterMs, room }) => new TuttiError(code, message, { temporary, retryAfterMs, room })

// --- Connection ----------------------------------------------------------------------------------------------------------------

/**
 * One socket at a time to one URL: gets a token, opens, proves that the other side is alive, and comes back after a loss.
 * Tells its owner `state`, `online` (with the server's auth.success; again at each renewal), `message`, `bytes`, `error`.
 */
class Connection {
  /** @type {State} */ state = { state: 'idle' }
  clientId
  #url
  #options
  #tell
  /** What belongs to an earlier attempt or socket is ignored. @type {object | undefined} */
  #attempt
  #socket
  /** The token that was last sent. */
  token
  #refusal = ''
  #hasTriedFreshToken = false
  /** Attempts in a row without a stable connection. */
  #failures = 0
  #onlineSinceMs = 0
  #heardAtMs = 0
  #heartbeatMs = HEARTBEAT_MS
  /** Until the next attempt, the end of this one, the next look at the heartbeat: there is one at a time. */
  #timer = new Timer()
  /** JSON texts of this turn, which leave together, and their bytes. */
  #turn = []
  #turnBytes = 0

  constructor (url, options, tell) {
    this.#url = url
    this.#options = options
    this.#tell = tell
  }

  get isOnline () { return this.state.state === 'online' }
  get bufferedBytes () { return this.#turnBytes + (this.#socket?.bufferedAmount ?? 0) }

  open () {
    if (!['idle', 'closed'].includes(this.state.state)) return
    globalThis.addEventListener?.('online', this.#wake)
    globalThis.addEventListener?.('offline', this.#doubt)
    globalThis.document?.addEventListener('visibilitychange', this.#wake)
    this.#failures = 0
    this.#hasTriedFreshToken = false
    this.#dial()
  }

  /** For good. */
  end (code, reason) {
    if (this.state.state === 'closed') return
    this.#flush()
    this.#drop(CLOSED_BY_APP)
    globalThis.removeEventListener?.('online', this.#wake)
    globalThis.removeEventListener?.('offline', this.#doubt)
    globalThis.document?.removeEventListener('visibilitychange', this.#wake)
    this.#enter({ state: 'closed', code, reason })
  }

  /** Sends JSON at the end of this turn, in one frame with what else is sent in it. */
  write (text, bytes = bytesOf(text)) {
    if (this.#turn.length === 0) queueMicrotask(() => this.#flush())
    this.#turn.push({ text, bytes })
    this.#turnBytes += bytes + 1
  }

  writeBytes (bytes) {
    this.#flush()
    this.#socket.send(bytes)
  }

  /** A token that takes the place of the one in use. */
  authenticate (token) {
    this.token = token
    this.write(jsonOf({ type: 'authenticate', token }))
  }

  async #dial () {
    const attempt = this.#attempt = {}
    this.#refusal = ''
    this.#timer.set(() => this.#lose(0, `no connection within ${CONNECT_TIMEOUT_MS / 1000} s`), CONNECT_TIMEOUT_MS)
    this.#enter({ state: 'connecting' })
    let token
    try {
      token = await this.#askToken()
    } catch (error) {
      if (attempt === this.#attempt) this.#lose(0, `no token: ${error?.message ?? error}`)
      return
    }
    if (attempt !== this.#attempt) return
    if (!token) return this.end(UNAUTHORIZED, 'there is no token')
    this.token = token
    let socket
    try {
      // The token travels as a subprotocol, never in a URL, which ends up in logs.
      socket = new this.#options.WebSocket(this.#url, ['tutti.v1', `auth.${token}`])
    } catch (error) {
      return this.end(0, error.message)
    }
    socket.binaryType = 'arraybuffer'
    socket.onmessage = ({ data }) => { if (attempt === this.#attempt) this.#receive(data, attempt) }
    socket.onclose = ({ code, reason }) => { if (attempt === this.#attempt) this.#onClose(code, reason) }
    // `close` follows and says it all, but Node.js ends a process over an error that nobody listens to.
    socket.onerror = () => {}
    this.#socket = socket
  }

  /** The token in use; before there is one, the app's. @returns {Promise<Token>} */
  async currentToken () { return this.token ?? this.#askToken() }

  async #askToken () {
    const { token } = this.#options
    return typeof token === 'function' ? token() : token
  }

  #onClose (code, givenReason) {
    const reason = givenReason || this.#refusal || CLOSE_REASONS.get(code) || `close code ${code}`
    // A key may have changed on the server, or a clock be wrong: a fresh token is worth one attempt.
    const isWorthAFreshToken = code === UNAUTHORIZED && typeof this.#options.token === 'function' && !this.#hasTriedFreshToken
    if (isFinal(code) && !isWorthAFreshToken) return this.end(code, reason)
    this.#hasTriedFreshToken ||= isWorthAFreshToken
    this.#lose(code, reason)
  }

  /** The connection is gone, or as good as gone: come back after a while, at random, so that not all clients come at once. */
  #lose (code, reason) {
    if (this.isOnline && Date.now() - this.#onlineSinceMs >= STABLE_MS) this.#failures = 0
    const retryInMs = Math.round(Math.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#failures++))
    this.#drop(HEARTBEAT_LOST)
    this.#timer.set(() => this.#dial(), retryInMs)
    this.#enter({ state: 'offline', code, reason, retryInMs })
  }

  /** Lets go of the socket, without waiting for an answer that a dead one never gives. */
  #drop (code) {
    const socket = this.#socket
    this.#attempt = this.#socket = undefined
    this.#timer.clear()
    this.#turn = []
    this.#turnBytes = 0
    socket?.close(code)
  }

  #enter (state) {
    this.state = state
    this.#tell.state(state)
  }

  #flush () {
    const turn = this.#turn
    this.#turn = []
    this.#turnBytes = 0
    let frame = []
    let frameBytes = 1
    const send = () => {
      if (frame.length > 0) this.#socket.send(frame.length === 1 ? frame[0] : `[${frame.join(',')}]`)
      frame = []
      frameBytes = 1
    }
    for (const { text, bytes } of turn) {
      if (frame.length === BATCH_MAX || frameBytes + bytes + 1 > FRAME_BYTES_MAX) send()
      frame.push(text)
      frameBytes += bytes + 1
    }
    send()
  }

  #receive (data, attempt) {
    this.#heardAtMs = Date.now()
    if (typeof data !== 'string') return this.#tell.bytes(new Uint8Array(data))
    for (const message of [JSON.parse(data)].flat()) {
      // A listener may have closed the connection over the message before.
      if (attempt === this.#attempt) this.#take(message)
    }
  }

  #take (message) {
    switch (message.type) {
      case 'welcome':
        this.clientId = message.clientId
        this.#heartbeatMs = message.heartbeatMs
        return
      case 'auth.success': return this.#onAuthenticated(message)
      case 'auth.error':
        this.#refusal = message.message
        if (this.isOnline) this.#tell.error(new TuttiError('unauthorized', message.message))
        return
      case 'token.expiring':
        this.#tell.message(message)
        if (typeof this.#options.token === 'function') this.#renew()
        return
      case 'pong': return this.#watch()
      default: this.#tell.message(message)
    }
  }

  #onAuthenticated (message) {
    this.#hasTriedFreshToken = false
    if (!this.isOnline) {
      this.#onlineSinceMs = Date.now()
      this.#watch()
      this.#enter({ state: 'online' })
    }
    // Whoever heard of the state may have closed.
    if (this.isOnline) this.#tell.online(message)
  }

  async #renew () {
    const attempt = this.#attempt
    try {
      const token = await this.#askToken()
      if (token && attempt === this.#attempt) this.authenticate(token)
    } catch (error) {
      // Not the end: when the token has run out, the server hangs up, and coming back asks again.
      this.#tell.error(new TuttiError('unauthorized', `no token: ${error?.message ?? error}`, { temporary: true }))
    }
  }

  // Heartbeat. WebSocket pings are answered by the browser itself and tell the page nothing, so the page asks by itself.

  /** Looks again when the server has been quiet for a heartbeat. */
  #watch () {
    const quietMs = Date.now() - this.#heardAtMs
    if (quietMs >= this.#heartbeatMs) this.#probe(ANSWER_WAIT_MS)
    else this.#timer.set(() => this.#watch(), this.#heartbeatMs - quietMs)
  }

  #probe (waitMs, isSecond = false) {
    this.write('{"type":"ping"}')
    this.#awaitPong(waitMs, waitMs, isSecond)
  }

  #awaitPong (waitMs, restMs, isSecond) {
    const fromMs = Date.now()
    this.#timer.set(() => {
      const nowMs = Date.now()
      const quietMs = nowMs - this.#heardAtMs
      // A timer that comes far too late means that this side slept: ask once more before judging the other.
      const hasSlept = nowMs - fromMs > 2 * waitMs
      if (hasSlept && !isSecond) this.#probe(waitMs, true)
      // Whoever speaks is alive, but what was heard may be the last from before the network went: only the pong ends the waiting.
      else if (quietMs < waitMs) this.#awaitPong(waitMs, waitMs - quietMs, isSecond)
      else this.#lose(HEARTBEAT_LOST, 'the server does not answer')
    }, restMs)
  }

  /** The network is back, or someone looks at the tab again. */
  #wake = () => {
    if (globalThis.document?.visibilityState === 'hidden') return
    if (this.state.state === 'offline') this.#dial()
    else this.#doubt()
  }

  #doubt = () => { if (this.isOnline) this.#probe(WAKE_WAIT_MS) }
}

// --- Queue ---------------------------------------------------------------------------------------------------------------------

/**
 * Requests in the order in which they were made: those that wait, and those under way until they are answered. Bounded.
 * A request is `{ id, text, bytes, room?, isRepeatable, resolve, reject }`; it may be repeated if it carries a key or changes nothing.
 */
class Queue {
  #waiting = []
  #inFlight = new Map()
  #bytes = 0
  /** Slow after a refusal, faster with each answer. */
  #window = IN_FLIGHT_MAX

  constructor (countMax, bytesMax) {
    this.countMax = countMax
    this.bytesMax = bytesMax
  }

  get isEmpty () { return this.#waiting.length === 0 }

  add (request) {
    const isFull = this.#waiting.length + this.#inFlight.size >= this.countMax || this.#bytes + request.bytes > this.bytesMax
    if (isFull) return request.reject(new TuttiError('queue_full', 'too many messages wait for their acknowledgement', { temporary: true }))
    this.#bytes += request.bytes
    this.#waiting.push(request)
  }

  /** Hands out the next that may be sent; it is under way from now on. */
  next () {
    if (this.#inFlight.size >= this.#window) return undefined
    const index = this.#waiting.findIndex(({ room }) => !room || room.isJoined)
    if (index < 0) return undefined
    const [request] = this.#waiting.splice(index, 1)
    this.#inFlight.set(request.id, request)
    return request
  }

  /** Settles the request that `message` answers. @returns whether it answers one. */
  answer (message) {
    const request = this.#inFlight.get(message.requestId)
    if (!request) return false
    this.#forget(request)
    this.#inFlight.delete(message.requestId)
    this.#window = Math.min(IN_FLIGHT_MAX, this.#window + 1)
    if (message.type === 'error') request.reject(errorFrom(message))
    else request.resolve(message)
    return true
  }

  /** The server refused a request for now: it waits again. @returns whether there is such a request and it may be repeated. */
  putBack (requestId) {
    const request = this.#inFlight.get(requestId)
    if (!request?.isRepeatable) return false
    this.#inFlight.delete(requestId)
    this.#wait([request])
    this.#window = 1
    return true
  }

  /** The connection is lost: whether what was under way arrived is not known. */
  lose () {
    const lost = [...this.#inFlight.values()]
    this.#inFlight.clear()
    this.#window = IN_FLIGHT_MAX
    this.#wait(lost.filter(({ isRepeatable }) => isRepeatable))
    for (const request of lost) {
      if (request.isRepeatable) continue
      this.#forget(request)
      request.reject(new TuttiError('connection_lost', 'the connection was lost before the answer', { temporary: true }))
    }
  }

  /** Gives up what waits and is `wanted`. */
  reject (wanted, error) {
    const rejected = this.#waiting.filter(wanted)
    this.#waiting = this.#waiting.filter((request) => !wanted(request))
    for (const request of rejected) {
      this.#forget(request)
      request.reject(error)
    }
  }

  #wait (requests) { this.#waiting = [...requests, ...this.#waiting].sort((a, b) => Number(a.id) - Number(b.id)) }

  #forget (request) { this.#bytes -= request.bytes }
}

// --- Presence ------------------------------------------------------------------------------------------------------------------

/** Who is in a room, by user. A `presence` event of the room tells each change. */
export class Presence {
  /** By user id; empty if the room is too large for names. @type {ReadonlyMap<string, Present>} */
  users = new Map()
  count = 0
  /** Too many are here: only their number is known. */
  isCapped = false
  #room
  #cast
  #state
  #hasNews = false
  #pause = new Timer()

  /** @internal Made by its room. */
  constructor (room, cast) {
    this.#room = room
    this.#cast = cast
  }

  /** What others see beside the name: a small object, at most 4 KiB of JSON. Sent at most every 100 ms, and again after each return. */
  set (state) {
    this.#state = state
    this.announce()
  }

  /** @internal */
  announce () {
    this.#hasNews = this.#state !== undefined
    if (!this.#pause.isSet) this.#say()
  }

  #say () {
    if (!this.#hasNews || !this.#room.isJoined) return
    this.#hasNews = !this.#cast({ type: 'presence.update', state: this.#state })
    this.#pause.set(() => this.#say(), PRESENCE_EVERY_MS)
  }

  /** @internal The whole state: what differs from what was known, as if it had come as a diff. @returns {PresenceChange} */
  replace ({ count, users = [], capped = false }) {
    const before = this.users
    const now = new Map(users.map((present) => [present.user, present]))
    this.count = count
    this.isCapped = capped
    this.users = now
    return {
      count,
      joins: users.filter(({ user }) => !before.has(user)),
      updates: users.filter((present) => before.has(present.user) && JSON.stringify(before.get(present.user)) !== JSON.stringify(present)),
      leaves: [...before.values()].filter(({ user }) => !now.has(user))
    }
  }

  /** @internal @returns {PresenceChange} */
  change ({ count, joins = [], updates = [], leaves = [], capped = false }) {
    if (capped) return this.replace({ count, capped })
    const users = new Map(this.users)
    for (const present of [...joins, ...updates]) users.set(present.user, present)
    const left = leaves.map((user) => users.get(user)).filter((present) => present !== undefined)
    for (const user of leaves) users.delete(user)
    this.count = count
    this.isCapped = false
    this.users = users
    return { count, joins, updates, leaves: left }
  }
}

// --- Room ----------------------------------------------------------------------------------------------------------------------

/** Set by Room, for Tutti alone. */
let joinRoom, receiveFor, receiveBytesFor, suspendRoom, rejectWaiters

/** A room that this client is in, or is about to be in again. @extends {Emitter<RoomEvents>} */
export class Room extends Emitter {
  /** @type {string} @readonly */ name
  /** @type {Presence} @readonly */ presence
  /** Who types now: names by user id. @type {Map<string, string>} */
  typists = new Map()
  isJoined = false
  /** `read`, `write` or `admin`; null before the first join. @type {string | null} */
  access = null
  /** The last entry that was seen, or was there at the first join. @type {number | null} */
  seq
  /** The head of the steps at the last join. @type {number | undefined} */
  version
  #link
  #edits
  /** Of the `room.join` that is to be answered or was; empty if none is out. */
  #joinId = ''
  /** @type {TuttiError | null} */ #refusal = null
  #retry = new Timer()
  /** @type {{ resolve: (room: Room) => void, reject: (error: TuttiError) => void }[]} */ #waiters = []
  #typingEnd = new Timer()
  #typingSaidAtMs = 0

  static {
    joinRoom = (room) => room.#join()
    receiveFor = (room, message) => room.#receive(message)
    receiveBytesFor = (room, user, bytes) => emit(room, 'bytes', { user, bytes })
    suspendRoom = (room) => room.#suspend()
    rejectWaiters = (room, error) => room.#rejectWaiters(error)
  }

  /** @internal Made by `tutti.room()`. */
  constructor (name, link, options) {
    super()
    this.name = name
    this.seq = options.since ?? null
    this.#link = link
    this.#edits = options.edits
    this.presence = new Presence(this, (message) => this.#cast(message))
  }

  /** Resolves when this client is in the room; rejects when it may not be. @returns {Promise<Room>} */
  joined () {
    if (this.isJoined) return Promise.resolve(this)
    if (this.#refusal) return Promise.reject(this.#refusal)
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  /**
   * A message for all. Resolves when it is committed. Sent without a connection it waits for one; sent twice with one key it is stored once.
   * @param {string} text @param {{ payload?: any, key?: string }} [options] @returns {Promise<Saved>}
   */
  send (text, { payload, key } = {}) {
    this.typing(false)
    return this.#keep({ type: 'chat.message', text, payload, key }).then(savedOf)
  }

  /**
   * An app event, such as `order.updated`: stored, and acknowledged like a message.
   * @param {`${string}.${string}`} type @param {any} [payload] @param {{ key?: string }} [options] @returns {Promise<Saved>}
   */
  publish (type, payload, { key } = {}) {
    return this.#keep({ type, payload, key }).then(savedOf)
  }

  /**
   * An app event for those who are here now: not stored, not repeated.
   * @param {`${string}.${string}`} type @param {any} [payload] @returns {boolean} Whether it was sent.
   */
  signal (type, payload) { return this.#cast({ type, payload, ephemeral: true }) }

  /** Bytes for those who are here now, such as drawing or voice. @param {Uint8Array} bytes @returns {boolean} Whether they were sent. */
  signalBytes (bytes) {
    const frame = withString(this.name, bytes)
    if (frame.length > BINARY_BYTES_MAX) throw new TuttiError('too_large', `a binary signal has at most ${BINARY_BYTES_MAX} bytes with its room's name`)
    return this.isJoined && this.#link.castBytes(frame)
  }

  /** Call it at each key: others learn it once, and the end by itself. `typing(false)` ends it at once, and so does `send`. */
  typing (isTyping = true) {
    if (isTyping) {
      this.#typingEnd.set(() => this.typing(false), TYPING_IDLE_MS)
      if (Date.now() - this.#typingSaidAtMs < TYPING_REPEAT_MS) return
      if (this.#cast({ type: 'typing.started' })) this.#typingSaidAtMs = Date.now()
    } else {
      this.#typingEnd.clear()
      if (this.#typingSaidAtMs > 0) this.#cast({ type: 'typing.stopped' })
      this.#typingSaidAtMs = 0
    }
  }

  /**
   * Steps of prosemirror-collab or updates of @codemirror/collab, made on `version`. Rejected is a normal answer: apply what came between, try again.
   * After a lost connection these very steps may be among those: what is sent twice is no longer made on the newest version.
   * @param {number} version @param {any[]} steps @param {string | number} clientId
   * @returns {Promise<PushAccepted | PushRejected>}
   */
  push (version, steps, clientId) {
    return this.#ask({ type: 'edit.push', version, steps, clientId }).then(pushAnswerOf)
  }

  /**
   * The steps after `version`, at most 1,000 at a time: `version` of the answer is the head.
   * @param {number} version @returns {Promise<PushRejected>}
   */
  stepsSince (version) {
    return this.#ask({ type: 'edit.push', version, steps: [], clientId: 0 }).then(pushAnswerOf)
  }

  /**
   * A page of the timeline, by REST. @param {HistoryQuery} [query] As the REST API takes it.
   * @returns {Promise<{ entries: HistoryEntry[], next: number | null }>}
   */
  history (query = {}) {
    return this.#link.get(`rooms/${this.name.split('/').map(encodeURIComponent).join('/')}/history`, query)
  }

  /** For good; what still waited is rejected. `tutti.room(name)` makes a new one. */
  leave () {
    this.typing(false)
    if (this.#joinId) this.#link.write({ type: 'room.leave', room: this.name })
    this.#end(new TuttiError('left', 'the room was left', { room: this.name }))
  }

  #keep (message) { return this.#ask({ ...message, key: message.key ?? this.#link.newKey() }) }

  #ask (message) {
    if (this.#refusal) return Promise.reject(this.#refusal)
    return this.#link.request({ ...message, room: this.name }, this)
  }

  #cast (message) { return this.isJoined && this.#link.cast({ ...message, room: this.name }) }

  #join () {
    if (this.#joinId) return
    this.#retry.clear()
    this.#refusal = null
    this.#joinId = this.#link.newId()
    this.#link.write({ type: 'room.join', room: this.name, since: this.seq ?? undefined, edits: this.#edits, requestId: this.#joinId })
  }

  #suspend () {
    this.isJoined = false
    this.#joinId = ''
    this.#retry.clear()
    this.#clearTyping()
  }

  #clearTyping () {
    this.#typingEnd.clear()
    this.#typingSaidAtMs = 0
    for (const [user, name] of this.typists) emit(this, 'typing', { user, name, typing: false })
    this.typists.clear()
  }

  #end (error) {
    this.#suspend()
    this.#refuse(error)
    this.#link.forget(this)
  }

  /** Nothing more goes to this room, until it is joined again. */
  #refuse (error) {
    this.#refusal = error
    this.#rejectWaiters(error)
    this.#link.abandon(this, error)
  }

  #rejectWaiters (error) { for (const { reject } of this.#waiters.splice(0)) reject(error) }

  #receive (message) {
    switch (message.type) {
      case 'room.joined': return this.#onJoined(message)
      case 'room.access':
        this.access = message.access
        emit(this, 'access', { access: message.access })
        return
      case 'room.evicted':
        this.#end(new TuttiError('evicted', message.reason ?? 'the server closed the room to this client', { room: this.name }))
        emit(this, 'evicted', { reason: message.reason })
        return
      case 'presence.state': emit(this, 'presence', this.presence.replace(message)); return
      case 'presence.diff': emit(this, 'presence', this.presence.change(message)); return
      case 'user.typing': return this.#onTyping(message)
      case 'error': return this.#onError(message)
      default: this.#onEntry(message)
    }
  }

  #onJoined (message) {
    if (message.requestId !== this.#joinId) return
    const { seq, access, recovered, members, version } = message
    const since = this.seq
    this.isJoined = true
    this.access = access
    this.version = version
    // With entries still to come, `seq` follows them: a connection lost in between resumes behind the last that came.
    if (since === null || !recovered) this.seq = seq
    for (const { resolve } of this.#waiters.splice(0)) resolve(this)
    emit(this, 'joined', { seq, access, recovered, members, version })
    if (since !== null && !recovered) emit(this, 'gap', { since, seq })
    this.presence.announce()
    this.#link.pump()
  }

  #onTyping ({ user, name, typing }) {
    if (typing) this.typists.set(user, name)
    else this.typists.delete(user)
    emit(this, 'typing', { user, name, typing })
  }

  #onError (message) {
    const error = errorFrom(message)
    if (message.requestId !== undefined && message.requestId === this.#joinId) {
      this.#joinId = ''
      if (error.temporary) return this.#retry.set(() => this.#join(), error.retryAfterMs ?? RETRY_MS)
      this.#refuse(error)
    }
    if (emit(this, 'error', error) === 0) this.#link.report(error)
  }

  /** Messages, events, steps, edits: by seq, exactly once, in order; and signals, which have none. */
  #onEntry (message) {
    if (message.seq !== undefined) {
      if (this.seq === null || message.seq <= this.seq) return
      this.seq = message.seq
    }
    if (message.type === 'chat.message') emit(this, 'message', message)
    else if (message.type === 'edit.steps') emit(this, 'steps', message)
    else if (message.type === 'edit') emit(this, 'edit', { ...message, update: bytesFromBase64(message.update) })
    else if (!RESERVED.has(message.type.split('.')[0])) {
      emit(this, 'event', message)
      emit(this, message.type, message)
    }
  }
}

const savedOf = ({ seq, timestamp }) => ({ seq, timestamp })

const pushAnswerOf = ({ type, seq, version, since, steps, clientIds, timestamp }) => type === 'saved'
  ? { accepted: true, seq, version, timestamp }
  : { accepted: false, version, since, steps, clientIds }

// --- Tutti ---------------------------------------------------------------------------------------------------------------------

/** A connection to a server, with its rooms. @extends {Emitter<TuttiEvents>} */
export class Tutti extends Emitter {
  /** The token's user, once online. @type {string | undefined} */
  userId
  /** @type {string | undefined} */
  userName
  #options
  #api
  #connection
  #queue
  /** @type {Map<string, Room>} */ #rooms = new Map()
  #nextId = 1
  /** Keys are of this page and of no other. `crypto.randomUUID` would need https. */
  #keyPrefix = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')
  #pause = new Timer()
  #drain = new Timer()
  /** @type {{ resolve: () => void, reject: (error: TuttiError) => void }[]} */ #readyWaiters = []

  /** @param {string | URL} url Of `/ws`; a page may leave out the server: its own. @param {Options} options */
  constructor (url, options) {
    super()
    const { queueMax = 1_000, queueBytesMax = 4 * 1024 * 1024, bufferedBytesMax = 256 * 1024 } = options
    this.#options = { WebSocket: globalThis.WebSocket, ...options, bufferedBytesMax }
    if (!this.#options.WebSocket) throw new TypeError('there is no WebSocket here: pass one, such as that of the npm package ws')
    const socketUrl = new URL(url, globalThis.location?.href)
    socketUrl.protocol = socketUrl.protocol.replace('http', 'ws')
    this.#api = new URL('api/v1/', socketUrl)
    this.#api.protocol = socketUrl.protocol.replace('ws', 'http')
    this.#queue = new Queue(queueMax, queueBytesMax)
    this.#connection = new Connection(socketUrl.href, this.#options, {
      state: (state) => this.#onState(state),
      online: (message) => this.#onOnline(message),
      message: (message) => this.#onMessage(message),
      bytes: (bytes) => this.#onBytes(bytes),
      error: (error) => this.#report(error)
    })
  }

  /** @returns {State} */
  getState () { return this.#connection.state }

  /** The server's name for this connection. @returns {string | undefined} */
  get clientId () { return this.#connection.clientId }

  /** Bytes that were sent and have not left this machine. @returns {number} */
  get bufferedAmount () { return this.#connection.bufferedBytes }

  /** Connects; `connect()` has done it. After `closed`, begins again, with the same rooms. */
  open () { this.#connection.open() }

  /** Ends the connection for good. What is not acknowledged is rejected. */
  close () { this.#connection.end(CLOSED_BY_APP, 'closed by the app') }

  /**
   * Enters a room: at once, and again after each return. The same name gives the same room until it is left.
   * @param {string} name
   * @param {{ since?: number, edits?: boolean }} [options]
   *   `since`: show first what came after this entry (0: all); without it, only what comes from now on. `edits`: show the document's edits, too.
   * @returns {Room}
   */
  room (name, options = {}) {
    const known = this.#rooms.get(name)
    if (known) return known
    const room = new Room(name, this.#link, options)
    this.#rooms.set(name, room)
    if (this.#connection.isOnline) joinRoom(room)
    return room
  }

  /**
   * A message to all sockets of a user. Resolves with how many there were. Not stored: what is lost with the connection is rejected.
   * @param {string} to @param {any} payload @returns {Promise<{ sockets: number }>}
   */
  direct (to, payload) {
    return this.#request({ type: 'direct.message', to, payload }, undefined, false).then(({ sockets }) => ({ sockets }))
  }

  /** For apps without a token function: the token to use from now on. @param {string} token */
  setToken (token) {
    this.#options.token = token
    if (this.#connection.isOnline) this.#connection.authenticate(token)
  }

  /** Resolves when this client is online and all it was given has left for the server: for those who send much. @returns {Promise<void>} */
  ready () {
    if (this.getState().state === 'closed') return Promise.reject(this.#closedError())
    return new Promise((resolve, reject) => {
      this.#readyWaiters.push({ resolve, reject })
      this.#pump()
    })
  }

  /** What a room may do with the connection. */
  #link = {
    /** Sends whatever else waits; only while online. */
    write: (message) => this.#connection.write(jsonOf(message)),
    /** Sends now or not at all; whether it did. */
    cast: (message) => this.#cast(message),
    castBytes: (bytes) => this.#castBytes(bytes),
    /** Sends as soon as possible; resolves with the answer. */
    request: (message, room) => this.#request(message, room),
    newId: () => this.#newId(),
    newKey: () => `${this.#keyPrefix}-${this.#newId()}`,
    /** The room is joined: sends what waited for it. */
    pump: () => this.#pump(),
    /** The room cannot be had: rejects what waits for it. */
    abandon: (room, error) => {
      this.#queue.reject((request) => request.room === room, error)
      this.#pump()
    },
    forget: (room) => { if (this.#rooms.get(room.name) === room) this.#rooms.delete(room.name) },
    report: (error) => this.#report(error),
    /** Asks by REST. */
    get: (path, query) => this.#get(path, query)
  }

  #canWrite () { return this.#connection.isOnline && this.#connection.bufferedBytes < this.#options.bufferedBytesMax }

  #cast (message) {
    const canWrite = this.#canWrite()
    if (canWrite) this.#connection.write(jsonOf(message))
    return canWrite
  }

  #castBytes (bytes) {
    const canWrite = this.#canWrite()
    if (canWrite) this.#connection.writeBytes(bytes)
    return canWrite
  }

  async #request (message, room, isRepeatable = true) {
    if (this.getState().state === 'closed') throw this.#closedError()
    const id = this.#newId()
    const text = jsonOf({ ...message, requestId: id })
    const bytes = bytesOf(text)
    // The server would hang up over it, and would again after each return.
    if (bytes > FRAME_BYTES_MAX) throw new TuttiError('too_large', `a message has at most ${FRAME_BYTES_MAX} bytes`, { room: room?.name })
    return new Promise((resolve, reject) => {
      this.#queue.add({ id, text, bytes, room, isRepeatable, resolve, reject })
      this.#pump()
    })
  }

  #newId () { return String(this.#nextId++) }

  /** Sends what waits and may go. */
  #pump () {
    while (!this.#pause.isSet && this.#canWrite()) {
      const request = this.#queue.next()
      if (!request) break
      this.#connection.write(request.text, request.bytes)
    }
    if (!this.#connection.isOnline) return
    const hasLeft = this.#queue.isEmpty && this.#canWrite()
    if (hasLeft) for (const { resolve } of this.#readyWaiters.splice(0)) resolve()
    else if (!this.#canWrite() && !this.#drain.isSet) this.#drain.set(() => this.#pump(), DRAIN_EVERY_MS)
  }

  #onState (state) {
    if (state.state === 'offline' || state.state === 'closed') {
      this.#pause.clear()
      this.#drain.clear()
      this.#queue.lose()
      for (const room of this.#rooms.values()) suspendRoom(room)
    }
    if (state.state === 'closed') {
      this.#queue.reject(() => true, this.#closedError())
      for (const room of this.#rooms.values()) rejectWaiters(room, this.#closedError())
      for (const { reject } of this.#readyWaiters.splice(0)) reject(this.#closedError())
    }
    emit(this, 'state', state)
  }

  #onOnline ({ userId, name }) {
    this.userId = userId
    this.userName = name
    for (const room of this.#rooms.values()) joinRoom(room)
    this.#pump()
  }

  #onMessage (message) {
    const room = this.#rooms.get(message.room)
    if (ANSWERS.has(message.type) && message.requestId !== undefined) {
      const isForNow = message.type === 'error' && message.temporary && this.#queue.putBack(message.requestId)
      if (isForNow) return this.#pause.set(() => this.#pump(), message.retryAfterMs ?? RETRY_MS)
      if (this.#queue.answer(message)) return this.#pump()
    }
    // A join that this client has itself overtaken by leaving: nobody waits for it.
    if (message.type === 'error' && message.code === 'overtaken') return
    if (message.type === 'direct.message') emit(this, 'direct', message)
    else if (message.type === 'token.expiring') emit(this, 'expiring', { expiresAt: message.expiresAt })
    else if (message.type === 'server.draining') emit(this, 'draining', {})
    else if (room) receiveFor(room, message)
    else if (message.type === 'error') this.#report(errorFrom(message))
  }

  #onBytes (bytes) {
    const [name, userAt] = readString(bytes, 0)
    const [user, dataAt] = readString(bytes, userAt)
    const room = this.#rooms.get(name)
    if (room) receiveBytesFor(room, user, bytes.subarray(dataAt))
  }

  /** An error that nobody listens for is at least seen by who writes the app. */
  #report (error) {
    if (emit(this, 'error', error) === 0) console.warn(`tutti: ${error.message} (${error.code})`)
  }

  #closedError () { return new TuttiError('closed', this.getState().reason ?? 'the connection is closed') }

  async #get (path, query) {
    const url = new URL(path, this.#api)
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value))
    const token = await this.#connection.currentToken()
    if (!token) throw new TuttiError('unauthorized', 'there is no token')
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } }).catch((error) => {
      throw new TuttiError('connection_lost', `the server cannot be asked: ${error.message}`, { temporary: true })
    })
    const body = await response.json().catch(() => ({}))
    if (response.ok) return body
    const { code = 'unknown', message = `the server answered ${response.status}` } = body.error ?? {}
    throw new TuttiError(code, message, { temporary: response.status === 503 })
  }
}

/** Connects to the JSON endpoint of a server. @param {string | URL} url @param {Options} options @returns {Tutti} */
export function connect (url, options) {
  const tutti = new Tutti(url, options)
  tutti.open()
  return tutti
}
