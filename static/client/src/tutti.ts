// A connection to a server, with its rooms.

import { Connection, type ConnectionOptions } from './connection.js'
import { bytesOf, jsonOf, randomId, readString } from './encoding.js'
import { emit, Emitter } from './emitter.js'
import { errorFrom, reasonOf, TuttiError } from './error.js'
import { ANSWERS, CLOSED_BY_APP, FRAME_BYTES_MAX, RETRY_MS } from './limits.js'
import type { RestAnswer, RestRequest } from './past.js'
import { Queue } from './queue.js'
import { isJoining, joinRoom, receiveBytesFor, receiveFor, rejectWaiters, Room, suspendRoom, type AnyRoom, type Link } from './room.js'
import { Timer } from './timer.js'
import type { DirectOf, Options, RoomOptions, State, TuttiEvents } from './types.js'
import type { AnswerMessage, Authenticated, RoomMessage, ServerMessage } from './wire.js'

/** WebSockets do not tell when their buffer empties, so that is looked up. */
const DRAIN_EVERY_MS = 50

/** A connection to a server, with its rooms. */
export class Tutti<App = object> extends Emitter<TuttiEvents<App>> {
  /** The token's user, once online. */
  userId: string | undefined
  userName: string | undefined
  #options: ConnectionOptions & { bufferedBytesMax: number }
  #api: URL
  #connection: Connection
  #queue: Queue
  #rooms = new Map<string, Room<App>>()
  #nextId = 1
  /** Keys are of this page and of no other. */
  #keyPrefix = randomId()
  #pause = new Timer()
  #drain = new Timer()
  #readyWaiters: { resolve (): void, reject (error: TuttiError): void }[] = []

  /** @param url Of `/ws`; a page may leave out the server: its own. */
  constructor (url: string | URL, options: Options) {
    super()
    const { queueMax = 1_000, queueBytesMax = 4 * 1024 * 1024, bufferedBytesMax = 256 * 1024 } = options
    const WebSocket = (options.WebSocket ?? globalThis.WebSocket) as ConnectionOptions['WebSocket'] | undefined
    if (!WebSocket) throw new TypeError('there is no WebSocket here: pass one, such as that of the npm package ws')
    this.#options = { ...options, WebSocket, bufferedBytesMax }
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
      frame: (frame) => { emit(this, 'frame', frame) },
      error: (error) => this.#report(error)
    })
  }

  getState (): State { return this.#connection.state }

  /** The server's name for this connection. */
  get clientId (): string | undefined { return this.#connection.clientId }

  /** Bytes that were sent and have not left this machine. */
  get bufferedAmount (): number { return this.#connection.bufferedBytes }

  /** Connects; `connect()` has done it. After `closed`, begins again, with the same rooms. */
  open (): void { this.#connection.open() }

  /** Ends the connection for good. What is not acknowledged is rejected. */
  close (): void { this.#connection.end(CLOSED_BY_APP, 'closed by the app') }

  /** Enters a room: at once, and again after each reconnect. The same name gives the same room until it is left. */
  room (name: string, options: RoomOptions = {}): Room<App> {
    const known = this.#rooms.get(name)
    if (known) return known
    const room = new Room<App>(name, this.#link, options)
    this.#rooms.set(name, room)
    if (this.#connection.isOnline) joinRoom(room)
    return room
  }

  /** A message to all connections of a user. Resolves with how many there were. Not stored: what is lost with the connection is rejected. */
  direct (to: string, payload: DirectOf<App>): Promise<{ sockets: number }> {
    return this.#request({ type: 'direct.message', to, payload }, undefined, false)
      .then((answer) => ({ sockets: answer.type === 'done' ? answer.sockets : 0 }))
  }

  /** For apps without a token function: the token to use from now on. */
  setToken (token: string): void {
    this.#options.token = token
    if (this.#connection.isOnline) this.#connection.authenticate(token)
  }

  /** Resolves when this client is online and all it was given has left for the server: for those who send much. */
  ready (): Promise<void> {
    if (this.getState().state === 'closed') return Promise.reject(this.#closedError())
    return new Promise((resolve, reject) => {
      this.#readyWaiters.push({ resolve, reject })
      this.#pump()
    })
  }

  #link: Link = {
    write: (message) => this.#connection.write(jsonOf(message)),
    cast: (message) => this.#cast(message),
    castBytes: (bytes) => this.#castBytes(bytes),
    request: (message, room) => this.#request(message, room),
    newId: () => this.#newId(),
    newKey: () => `${this.#keyPrefix}-${this.#newId()}`,
    pump: () => this.#pump(),
    abandon: (room, error) => {
      this.#queue.reject((request) => request.room === room, error)
      this.#pump()
    },
    forget: (room) => { if (this.#rooms.get(room.name) === room) this.#rooms.delete(room.name) },
    report: (error) => this.#report(error),
    rest: (path, request) => this.#rest(path, request)
  }

  #canWrite (): boolean { return this.#connection.isOnline && this.#connection.bufferedBytes < this.#options.bufferedBytesMax }

  #cast (message: object): boolean {
    const canWrite = this.#canWrite()
    if (canWrite) this.#connection.write(jsonOf(message))
    return canWrite
  }

  #castBytes (bytes: Uint8Array): boolean {
    const canWrite = this.#canWrite()
    if (canWrite) this.#connection.writeBytes(bytes)
    return canWrite
  }

  async #request (message: object, room: AnyRoom | undefined, isRepeatable = true): Promise<AnswerMessage> {
    if (this.getState().state === 'closed') throw this.#closedError()
    const id = this.#newId()
    const text = jsonOf({ ...message, requestId: id })
    const bytes = bytesOf(text)
    // The server would disconnect over it, and would again after each reconnect.
    if (bytes > FRAME_BYTES_MAX) throw new TuttiError('too_large', `a message has at most ${FRAME_BYTES_MAX} bytes`, { room: room?.name })
    return new Promise((resolve, reject) => {
      this.#queue.add({ id, text, bytes, room, isRepeatable, resolve, reject })
      this.#pump()
    })
  }

  #newId (): string { return String(this.#nextId++) }

  /** Sends what waits and may go. */
  #pump (): void {
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

  #onState (state: State): void {
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

  #onOnline ({ userId, name }: Authenticated): void {
    this.userId = userId
    this.userName = name
    for (const room of this.#rooms.values()) joinRoom(room)
    this.#pump()
  }

  #onMessage (message: ServerMessage): void {
    const room = this.#rooms.get(message.room ?? '') ?? this.#roomJoinedBy(message)
    if (isAnswer(message)) {
      const isForNow = message.type === 'error' && message.temporary && this.#queue.putBack(message.requestId ?? '')
      if (isForNow) return this.#pause.set(() => this.#pump(), message.retryAfterMs ?? RETRY_MS)
      if (this.#queue.answer(message)) return this.#pump()
    }
    // A join that this client has itself overtaken by leaving: nobody waits for it.
    if (message.type === 'error' && message.code === 'overtaken') return
    if (message.type === 'direct.message') emit(this, 'direct', message)
    else if (message.type === 'token.expiring') emit(this, 'expiring', { expiresAt: message.expiresAt })
    else if (message.type === 'server.draining') emit(this, 'draining', {})
    else if (room) receiveFor(room, message as RoomMessage)
    else if (message.type === 'error') this.#report(errorFrom(message))
  }

  #roomJoinedBy (message: ServerMessage): Room<App> | undefined {
    if (message.type !== 'error' || !message.requestId) return undefined
    const { requestId } = message
    return [...this.#rooms.values()].find((room) => isJoining(room, requestId))
  }

  #onBytes (bytes: Uint8Array): void {
    const [name, userAt] = readString(bytes, 0)
    const [user, dataAt] = readString(bytes, userAt)
    const room = this.#rooms.get(name)
    if (room) receiveBytesFor(room, user, bytes.subarray(dataAt))
  }

  /** An error that nobody listens for is at least seen by who writes the app. */
  #report (error: TuttiError): void {
    if (emit(this, 'error', error) === 0) console.warn(`tutti: ${error.message} (${error.code})`)
  }

  #closedError (): TuttiError { return new TuttiError('closed', this.getState().reason ?? 'the connection is closed') }

  async #rest (path: string, { method = 'GET', query = {}, body, as }: RestRequest): Promise<RestAnswer> {
    const url = new URL(path, this.#api)
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value))
    const token = await this.#connection.currentToken()
    if (!token) throw new TuttiError('unauthorized', 'there is no token')
    const headers: Record<string, string> = { authorization: `Bearer ${token}` }
    if (body) headers['content-type'] = 'application/json'
    const unreachable = (error: unknown): never => {
      throw new TuttiError('connection_lost', `the server cannot be reached: ${reasonOf(error)}`, { temporary: true })
    }
    const response = await fetch(url, { method, headers, body: body && jsonOf(body) }).catch(unreachable)
    if (response.ok) {
      // An answer that ends in the middle is none.
      const read = as === 'bytes' ? response.arrayBuffer().then((buffer) => new Uint8Array(buffer)) : response.text()
      const content = await read.catch(unreachable)
      return { body: as ? content : content && JSON.parse(content as string), headers: response.headers }
    }
    const failed = await response.json().catch(() => ({})) as { error?: { code: string, message: string } }
    const { code = 'unknown', message = `the server answered ${response.status}` } = failed.error ?? {}
    const retryAfterMs = Number(response.headers.get('retry-after')) * 1000 || undefined
    throw new TuttiError(code, message, { temporary: response.status === 503 || response.status === 429, retryAfterMs })
  }
}

const isAnswer = (message: ServerMessage): message is AnswerMessage =>
  ANSWERS.has(message.type) && 'requestId' in message && message.requestId !== undefined

/** Connects to the JSON endpoint of a server. */
export function connect<App = object> (url: string | URL, options: Options): Tutti<App> {
  const tutti = new Tutti<App>(url, options)
  tutti.open()
  return tutti
}
