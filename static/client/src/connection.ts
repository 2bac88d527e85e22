// One socket at a time to one URL: gets a token, opens, proves that the other side is alive, and reconnects after a loss. Where no
// WebSocket gets through, the socket is an event stream with requests.

import { bytesOf, jsonOf } from './encoding.js'
import { reasonOf, TuttiError } from './error.js'
import { BATCH_MAX, CLOSE_REASONS, CLOSED_BY_APP, FRAME_BYTES_MAX, HEARTBEAT_LOST, isFinal, LOST, UNAUTHORIZED } from './limits.js'
import { StreamSocket } from './stream.js'
import { Timer } from './timer.js'
import type { Frame, Options, Socket, State, Token, Transport } from './types.js'
import type { Authenticated, ServerMessage } from './wire.js'

const BACKOFF_MIN_MS = 500
const BACKOFF_MAX_MS = 20_000
/** A connection that lived this long was a good one: the next loss starts with short waits again. */
const STABLE_MS = 10_000
/** From asking for a token until the server has accepted it. */
const CONNECT_TIMEOUT_MS = 15_000
/** Until `welcome` says otherwise. */
const HEARTBEAT_MS = 25_000
/** How long a ping may stay unanswered. */
const ANSWER_WAIT_MS = 10_000
/** The same for someone who has just come back to the tab. */
const WAKE_WAIT_MS = 3_000
/** And when the browser says that the network is gone: the page shows it within a second. */
const OFFLINE_WAIT_MS = 800
/** Upgrades in a row that fail before WebSockets count as blocked. */
const BLOCKED_AFTER = 2
/** When WebSockets are tried again beside a stream. First soon, since the server may just have been away. */
const RETURN_MIN_MS = 2_000
const RETURN_MAX_MS = 600_000

export type ConnectionOptions = Options & { WebSocket: new (url: string, protocols?: string[]) => Socket }

interface Owner {
  state (state: State): void
  /** With the server's auth.success; again at each renewal. */
  online (message: Authenticated): void
  message (message: ServerMessage): void
  bytes (bytes: Uint8Array): void
  frame (frame: Frame): void
  error (error: TuttiError): void
}

export class Connection {
  state: State = { state: 'idle' }
  clientId: string | undefined
  /** The token that was last sent. */
  token: Token
  #url: string
  #options: ConnectionOptions
  #tell: Owner
  /** What belongs to an earlier attempt or socket is ignored. */
  #attempt: object | undefined
  #socket: Socket | undefined
  #refusal = ''
  #hasTriedFreshToken = false
  /** Attempts in a row without a stable connection. */
  #failures = 0
  /** WebSockets in a row of which nothing was heard. */
  #blocked = 0
  /** Whether the last stream brought nothing either: then a WebSocket has its turn. */
  #hasStreamFailed = false
  #transport: Transport = 'websocket'
  #hasHeard = false
  /** Until a WebSocket is tried beside the stream. */
  #return = new Timer()
  #returnMs = RETURN_MIN_MS
  #trial: Socket | undefined
  #onlineSinceMs = 0
  #heardAtMs = 0
  #heartbeatMs = HEARTBEAT_MS
  /** Until the next attempt, the end of this one, the next look at the heartbeat: there is one at a time. */
  #timer = new Timer()
  /** JSON texts of this turn, which leave together, and their bytes. */
  #turn: { text: string, bytes: number }[] = []
  #turnBytes = 0

  constructor (url: string, options: ConnectionOptions, tell: Owner) {
    this.#url = url
    this.#options = options
    this.#tell = tell
  }

  get isOnline (): boolean { return this.state.state === 'online' }
  get bufferedBytes (): number { return this.#turnBytes + (this.#socket?.bufferedAmount ?? 0) }

  open (): void {
    if (!['idle', 'closed'].includes(this.state.state)) return
    globalThis.addEventListener?.('online', this.#wake)
    globalThis.addEventListener?.('offline', this.#doubt)
    globalThis.document?.addEventListener('visibilitychange', this.#wake)
    this.#failures = 0
    this.#hasTriedFreshToken = false
    this.#dial()
  }

  /** For good. */
  end (code: number, reason: string): void {
    if (this.state.state === 'closed') return
    this.#flush()
    this.#drop(CLOSED_BY_APP)
    globalThis.removeEventListener?.('online', this.#wake)
    globalThis.removeEventListener?.('offline', this.#doubt)
    globalThis.document?.removeEventListener('visibilitychange', this.#wake)
    this.#enter({ state: 'closed', code, reason })
  }

  /** Sends JSON at the end of this turn, in one frame with what else is sent in it. */
  write (text: string, bytes = bytesOf(text)): void {
    if (this.#turn.length === 0) queueMicrotask(() => this.#flush())
    this.#turn.push({ text, bytes })
    this.#turnBytes += bytes + 1
  }

  writeBytes (bytes: Uint8Array): void {
    this.#flush()
    this.#socket?.send(bytes)
    this.#tell.frame({ direction: 'sent', text: '', bytes: bytes.length })
  }

  /** Replaces the token in use. */
  authenticate (token: string): void {
    this.token = token
    this.write(jsonOf({ type: 'authenticate', token }))
  }

  /** The token in use; before there is one, the app's. */
  async currentToken (): Promise<Token> { return this.token ?? this.#askToken() }

  async #dial (): Promise<void> {
    const attempt = this.#attempt = {}
    this.#refusal = ''
    this.#timer.set(() => this.#lose(0, `no connection within ${CONNECT_TIMEOUT_MS / 1000} s`), CONNECT_TIMEOUT_MS)
    this.#enter({ state: 'connecting' })
    let token: Token
    try {
      token = await this.#askToken()
    } catch (error) {
      if (attempt === this.#attempt) this.#lose(0, `no token: ${reasonOf(error)}`)
      return
    }
    if (attempt !== this.#attempt) return
    if (!token) return this.end(UNAUTHORIZED, 'there is no token')
    this.token = token
    const isStream = this.#blocked >= BLOCKED_AFTER && !this.#hasStreamFailed
    this.#transport = isStream ? 'stream' : 'websocket'
    this.#hasHeard = false
    let socket: Socket
    try {
      socket = isStream ? new StreamSocket(this.#streamUrl, () => this.token) : this.#webSocket()
    } catch (error) {
      return this.end(0, reasonOf(error))
    }
    socket.binaryType = 'arraybuffer'
    socket.onmessage = ({ data }) => { if (attempt === this.#attempt) this.#receive(data, attempt) }
    socket.onclose = ({ code, reason }) => { if (attempt === this.#attempt) this.#onClose(code, reason) }
    // `close` follows and says it all, but Node.js ends a process over an error that nobody listens to.
    socket.onerror = () => {}
    this.#socket = socket
  }

  /** The token travels as a subprotocol, never in a URL, which ends up in logs. */
  #webSocket (): Socket { return new this.#options.WebSocket(this.#url, ['tutti.v1', `auth.${this.token}`]) }

  get #streamUrl (): string {
    const url = new URL('api/v1/events', this.#url)
    url.protocol = url.protocol.replace('ws', 'http')
    return url.href
  }

  /** Counts an attempt that ended before anything was heard, which is how a proxy looks that lets no WebSocket through. */
  #countSilent (code: number): void {
    if (this.#hasHeard || !this.#socket || ![0, LOST].includes(code)) return
    this.#hasStreamFailed = this.#transport === 'stream'
    if (this.#transport === 'websocket') this.#blocked += 1
  }

  /** Tries a WebSocket beside the stream, later and later, and changes over once one works. */
  #watchReturn (): void {
    const waitMs = this.#returnMs * (0.5 + Math.random() / 2)
    this.#returnMs = Math.min(2 * this.#returnMs, RETURN_MAX_MS)
    this.#return.set(() => {
      const trial = this.#trial = this.#webSocket()
      const give = setTimeout(() => trial.close(), CONNECT_TIMEOUT_MS)
      trial.onerror = () => {}
      trial.onclose = () => {
        clearTimeout(give)
        if (trial === this.#trial) this.#watchReturn()
      }
      trial.onmessage = () => {
        if (trial !== this.#trial) return
        this.#forgetTrial()
        this.#blocked = 0
        this.#drop(HEARTBEAT_LOST)
        this.#enter({ state: 'offline', code: 0, reason: 'WebSockets work again', retryInMs: 0 })
        this.#dial()
      }
    }, waitMs)
  }

  #forgetTrial (): void {
    const trial = this.#trial
    this.#trial = undefined
    this.#return.clear()
    trial?.close(CLOSED_BY_APP)
  }

  async #askToken (): Promise<Token> {
    const { token } = this.#options
    return typeof token === 'function' ? token() : token
  }

  #onClose (code: number, givenReason: string): void {
    const reason = givenReason || this.#refusal || CLOSE_REASONS.get(code) || `close code ${code}`
    // A key may have changed on the server, or a clock be wrong: a fresh token is worth one attempt.
    const isWorthAFreshToken = code === UNAUTHORIZED && typeof this.#options.token === 'function' && !this.#hasTriedFreshToken
    if (isFinal(code) && !isWorthAFreshToken) return this.end(code, reason)
    this.#hasTriedFreshToken ||= isWorthAFreshToken
    this.#lose(code, reason)
  }

  /** The connection is gone, or as good as gone: reconnect after a while, at random, so that not all clients come at once. */
  #lose (code: number, reason: string): void {
    this.#countSilent(code)
    if (this.isOnline && Date.now() - this.#onlineSinceMs >= STABLE_MS) this.#failures = 0
    const retryInMs = Math.round(Math.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#failures++))
    this.#drop(HEARTBEAT_LOST)
    this.#timer.set(() => this.#dial(), retryInMs)
    this.#enter({ state: 'offline', code, reason, retryInMs })
  }

  /** Lets go of the socket, without waiting for an answer that a dead one never gives. */
  #drop (code: number): void {
    const socket = this.#socket
    this.#attempt = this.#socket = undefined
    this.#timer.clear()
    this.#forgetTrial()
    this.#turn = []
    this.#turnBytes = 0
    socket?.close(code)
  }

  #enter (state: State): void {
    this.state = state
    this.#tell.state(state)
  }

  #flush (): void {
    const turn = this.#turn
    this.#turn = []
    this.#turnBytes = 0
    let frame: string[] = []
    let frameBytes = 1
    const send = () => {
      if (frame.length > 0) this.#send(frame.length === 1 ? frame[0]! : `[${frame.join(',')}]`, frameBytes)
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

  #send (text: string, bytes: number): void {
    this.#socket?.send(text)
    // Whoever looks on must not learn the token.
    if (!text.includes('"authenticate"')) this.#tell.frame({ direction: 'sent', text, bytes })
  }

  #receive (data: unknown, attempt: object): void {
    this.#heardAtMs = Date.now()
    this.#hasHeard = true
    if (typeof data !== 'string') {
      const bytes = new Uint8Array(data as ArrayBuffer)
      this.#tell.frame({ direction: 'received', text: '', bytes: bytes.length })
      return this.#tell.bytes(bytes)
    }
    this.#tell.frame({ direction: 'received', text: data, bytes: data.length })
    for (const message of [JSON.parse(data) as ServerMessage | ServerMessage[]].flat()) {
      // A listener may have closed the connection over the message before.
      if (attempt === this.#attempt) this.#take(message)
    }
  }

  #take (message: ServerMessage): void {
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

  #onAuthenticated (message: Authenticated): void {
    this.#hasTriedFreshToken = false
    if (!this.isOnline) {
      this.#onlineSinceMs = Date.now()
      if (this.#transport === 'stream') this.#watchReturn()
      else {
        this.#blocked = 0
        this.#returnMs = RETURN_MIN_MS
      }
      this.#watch()
      this.#enter({ state: 'online', transport: this.#transport })
    }
    // Whoever heard of the state may have closed.
    if (this.isOnline) this.#tell.online(message)
  }

  async #renew (): Promise<void> {
    const attempt = this.#attempt
    try {
      const token = await this.#askToken()
      if (token && attempt === this.#attempt) this.authenticate(token)
    } catch (error) {
      // Not the end: when the token has expired, the server disconnects, and reconnecting asks again.
      this.#tell.error(new TuttiError('unauthorized', `no token: ${reasonOf(error)}`, { temporary: true }))
    }
  }

  // Heartbeat. WebSocket pings are answered by the browser itself and tell the page nothing, so the page asks by itself.

  /** Looks again when the server has been quiet for a heartbeat. */
  #watch (): void {
    const quietMs = Date.now() - this.#heardAtMs
    if (quietMs >= this.#heartbeatMs) this.#probe(ANSWER_WAIT_MS)
    else this.#timer.set(() => this.#watch(), this.#heartbeatMs - quietMs)
  }

  #probe (waitMs: number, isSecond = false): void {
    this.write('{"type":"ping"}')
    this.#awaitPong(waitMs, waitMs, isSecond)
  }

  #awaitPong (waitMs: number, restMs: number, isSecond: boolean): void {
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
  #wake = (): void => {
    if (globalThis.document?.visibilityState === 'hidden') return
    if (this.state.state === 'offline') this.#dial()
    else if (this.isOnline) this.#probe(WAKE_WAIT_MS)
  }

  #doubt = (): void => { if (this.isOnline) this.#probe(OFFLINE_WAIT_MS) }
}
