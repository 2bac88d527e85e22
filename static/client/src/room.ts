// A room that this client is in, or is about to be in again.

import { bytesFromBase64, withString } from './encoding.js'
import { emit, Emitter } from './emitter.js'
import { errorFrom, TuttiError } from './error.js'
import { BINARY_BYTES_MAX, RESERVED, RETRY_MS } from './limits.js'
import { Past, pathOf, type Rest } from './past.js'
import { Presence } from './presence.js'
import { Timer } from './timer.js'
import type {
  Access, CommentPage, CommentQuery, EventNameOf, EventsOf, HistoryPage, HistoryQuery, PayloadOf, PresenceOf, PushAccepted, PushRejected, RoomEvents, RoomOptions, Saved
} from './types.js'
import type { AnswerMessage, EntryMessage, ErrorMessage, JoinedMessage, RejectedMessage, RoomMessage, SavedMessage, TypingMessage } from './wire.js'

/** The server forgets who types after 6 s. */
const TYPING_REPEAT_MS = 3_000
const TYPING_IDLE_MS = 4_000

/** @internal What a room may do with the connection. */
export interface Link {
  /** Sends whatever else waits; only while online. */
  write (message: object): void
  /** Sends now or not at all; whether it did. */
  cast (message: object): boolean
  castBytes (bytes: Uint8Array): boolean
  /** Sends as soon as possible; resolves with the answer. */
  request (message: object, room: AnyRoom): Promise<AnswerMessage>
  newId (): string
  newKey (): string
  /** The room is joined: sends what waited for it. */
  pump (): void
  /** The room cannot be had: rejects what waits for it. */
  abandon (room: AnyRoom, error: TuttiError): void
  forget (room: AnyRoom): void
  report (error: TuttiError): void
  /** Asks by REST. */
  rest: Rest
}

/** @internal A room whatever the app's types, for who only moves rooms about. */
export interface AnyRoom { readonly name: string, readonly isJoined: boolean }

// Set by Room, for Tutti alone.
/** @internal */
export let joinRoom: (room: AnyRoom) => void
/** @internal */
export let receiveFor: (room: AnyRoom, message: RoomMessage) => void
/** @internal Whether this is the join that the room waits for: what is wrong with its name is told without the name. */
export let isJoining: (room: AnyRoom, requestId: string) => boolean
/** @internal */
export let receiveBytesFor: (room: AnyRoom, user: string, bytes: Uint8Array) => void
/** @internal */
export let suspendRoom: (room: AnyRoom) => void
/** @internal */
export let rejectWaiters: (room: AnyRoom, error: TuttiError) => void

/** A room that this client is in, or is about to be in again. */
export class Room<App = object> extends Emitter<RoomEvents<App>> {
  readonly name: string
  readonly presence: Presence<PresenceOf<App>>
  /** What the room's document was, and going back. */
  readonly past: Past
  /** Who types now: names by user id. */
  typists = new Map<string, string>()
  isJoined = false
  /** Null before the first join. */
  access: Access | null = null
  /** The last entry that was seen, or was there at the first join. */
  seq: number | null
  #link: Link
  #edits: boolean | undefined
  /** Of the `room.join` that is to be answered or was; empty if none is out. */
  #joinId = ''
  #refusal: TuttiError | null = null
  #retry = new Timer()
  #waiters: { resolve (room: Room<App>): void, reject (error: TuttiError): void }[] = []
  #typingEnd = new Timer()
  #typingSaidAtMs = 0

  static {
    joinRoom = (room) => (room as Room).#join()
    receiveFor = (room, message) => (room as Room).#receive(message)
    isJoining = (room, requestId) => (room as Room).#joinId === requestId
    receiveBytesFor = (room, user, bytes) => { emit(room, 'bytes', { user, bytes }) }
    suspendRoom = (room) => (room as Room).#suspend()
    rejectWaiters = (room, error) => (room as Room).#rejectWaiters(error)
  }

  /** @internal Made by `tutti.room()`. */
  constructor (name: string, link: Link, options: RoomOptions) {
    super()
    this.name = name
    this.seq = options.since ?? null
    this.#link = link
    this.#edits = options.edits
    this.presence = new Presence(this, (message) => this.#cast(message))
    this.past = new Past(name, link.rest)
  }

  /** Resolves when this client is in the room; rejects when it may not be. */
  joined (): Promise<Room<App>> {
    if (this.isJoined) return Promise.resolve(this)
    if (this.#refusal) return Promise.reject(this.#refusal)
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  /**
   * A message for all. Resolves when it is committed. Sent without a connection it waits for one; sent twice with one key it is stored once.
   */
  send (text: string, { payload, key }: { payload?: PayloadOf<App>, key?: string } = {}): Promise<Saved> {
    this.typing(false)
    return this.#keep({ type: 'chat.message', text, payload, key }).then(savedOf)
  }

  /** An app event, such as `order.updated`: stored, and acknowledged like a message. */
  publish<Type extends EventNameOf<App>> (type: Type, payload?: EventsOf<App>[Type], { key }: { key?: string } = {}): Promise<Saved> {
    return this.#keep({ type, payload, key }).then(savedOf)
  }

  /** An app event for those who are here now: not stored, not repeated. @returns Whether it was sent. */
  signal<Type extends EventNameOf<App>> (type: Type, payload?: EventsOf<App>[Type]): boolean {
    return this.#cast({ type, payload, ephemeral: true })
  }

  /** Bytes for those who are here now, such as drawing or voice. @returns Whether they were sent. */
  signalBytes (bytes: Uint8Array): boolean {
    const frame = withString(this.name, bytes)
    if (frame.length > BINARY_BYTES_MAX) throw new TuttiError('too_large', `a binary signal has at most ${BINARY_BYTES_MAX} bytes with its room's name`)
    return this.isJoined && this.#link.castBytes(frame)
  }

  /** Call it at each key: others learn it once, and the end by itself. `typing(false)` ends it at once, and so does `send`. */
  typing (isTyping = true): void {
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
   */
  push (version: number, steps: readonly unknown[], clientId: string | number): Promise<PushAccepted | PushRejected> {
    return this.#ask({ type: 'edit.push', version, steps, clientId }).then(pushAnswerOf)
  }

  /** The steps after `version`, at most 1,000 at a time: `version` of the answer is the head. */
  stepsSince (version: number): Promise<PushRejected> {
    return this.#ask({ type: 'edit.push', version, steps: [], clientId: 0 }).then((answer) => pushAnswerOf(answer) as PushRejected)
  }

  /** A page of the timeline, by REST; the query is that of the REST API. */
  async history (query: HistoryQuery = {}): Promise<HistoryPage> {
    return (await this.#link.rest(`${pathOf(this.name)}/history`, { query })).body as HistoryPage
  }

  /** A page of the threads of comments, by REST. `tutti/comments` keeps them up to date. */
  async comments (query: CommentQuery = {}): Promise<CommentPage> {
    return (await this.#link.rest(`${pathOf(this.name)}/comments`, { query })).body as CommentPage
  }

  /** For good; what still waited is rejected. `tutti.room(name)` makes a new one. */
  leave (): void {
    this.typing(false)
    if (this.#joinId) this.#link.write({ type: 'room.leave', room: this.name })
    this.#end(new TuttiError('left', 'the room was left', { room: this.name }))
  }

  #keep (message: { key: string | undefined, type: string, text?: string, payload: unknown }): Promise<AnswerMessage> {
    return this.#ask({ ...message, key: message.key ?? this.#link.newKey() })
  }

  #ask (message: object): Promise<AnswerMessage> {
    if (this.#refusal) return Promise.reject(this.#refusal)
    return this.#link.request({ ...message, room: this.name }, this)
  }

  #cast (message: object): boolean { return this.isJoined && this.#link.cast({ ...message, room: this.name }) }

  #join (): void {
    if (this.#joinId) return
    this.#retry.clear()
    this.#refusal = null
    this.#joinId = this.#link.newId()
    this.#link.write({ type: 'room.join', room: this.name, since: this.seq ?? undefined, edits: this.#edits, requestId: this.#joinId })
  }

  #suspend (): void {
    this.isJoined = false
    this.#joinId = ''
    this.#retry.clear()
    this.#clearTyping()
  }

  #clearTyping (): void {
    this.#typingEnd.clear()
    this.#typingSaidAtMs = 0
    for (const [user, name] of this.typists) emit(this, 'typing', { user, name, typing: false })
    this.typists.clear()
  }

  #end (error: TuttiError): void {
    this.#suspend()
    this.#refuse(error)
    this.#link.forget(this)
  }

  /** Nothing more goes to this room, until it is joined again. */
  #refuse (error: TuttiError): void {
    this.#refusal = error
    this.#rejectWaiters(error)
    this.#link.abandon(this, error)
  }

  #rejectWaiters (error: TuttiError): void { for (const { reject } of this.#waiters.splice(0)) reject(error) }

  #receive (message: RoomMessage): void {
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
      case 'room.left': return
      default: this.#onEntry(message as EntryMessage)
    }
  }

  #onJoined (message: JoinedMessage): void {
    if (message.requestId !== this.#joinId) return
    const { seq, access, recovered, members } = message
    const since = this.seq
    this.isJoined = true
    this.access = access
    // With entries still to come, `seq` follows them: a connection lost in between resumes behind the last that came.
    if (since === null || !recovered) this.seq = seq
    for (const { resolve } of this.#waiters.splice(0)) resolve(this)
    emit(this, 'joined', { seq, access, recovered, members })
    if (since !== null && !recovered) emit(this, 'gap', { since, seq })
    this.presence.announce()
    this.#link.pump()
  }

  #onTyping ({ user, name, typing }: TypingMessage): void {
    if (typing) this.typists.set(user, name)
    else this.typists.delete(user)
    emit(this, 'typing', { user, name, typing })
  }

  #onError (message: ErrorMessage): void {
    const error = errorFrom(message)
    if (message.requestId !== undefined && message.requestId === this.#joinId) {
      this.#joinId = ''
      if (error.temporary) return this.#retry.set(() => this.#join(), error.retryAfterMs ?? RETRY_MS)
      this.#refuse(error)
    }
    if (emit(this, 'error', error) === 0) this.#link.report(error)
  }

  /** Messages, events, steps, edits: by seq, exactly once, in order; and signals, which have none. */
  #onEntry (message: EntryMessage): void {
    if (message.seq !== undefined) {
      if (this.seq === null || message.seq <= this.seq) return
      this.seq = message.seq
    }
    if (message.type === 'chat.message') emit(this, 'message', message)
    else if (message.type === 'edit.steps') emit(this, 'steps', message)
    else if (message.type === 'edit') emit(this, 'edit', { ...message, update: bytesFromBase64(message.update ?? '') })
    else if (message.type === 'room.erased') {
      const { seq = 0, user, name, timestamp, payload } = message
      emit(this, 'erased', { seq, user, name, timestamp, said: (payload as { said?: unknown } | undefined)?.said !== false })
    } else if (!RESERVED.has(message.type.split('.')[0]!)) {
      emit(this, 'event', message)
      emit(this, message.type, message)
    }
  }
}

const savedOf = (answer: AnswerMessage): Saved => {
  const { seq, timestamp } = answer as SavedMessage
  return { seq, timestamp }
}

const pushAnswerOf = (answer: AnswerMessage): PushAccepted | PushRejected => {
  if (answer.type === 'saved') return { accepted: true, seq: answer.seq, version: answer.version, timestamp: answer.timestamp }
  const { version, since, steps, clientIds } = answer as RejectedMessage
  return { accepted: false, version, since, steps, clientIds }
}
