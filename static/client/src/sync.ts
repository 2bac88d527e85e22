// Whether the connection of a shared document is alive, and whether the server has committed what was typed here: for npm's
// providers as they are. Knows their events and frames; no DOM but the browser's `offline` and `online`.

import { readString } from './encoding.js'
import { emit, Emitter } from './emitter.js'
import { Timer } from './timer.js'
import type { Access, RoomEvents } from './types.js'

export type SyncConnection = 'connecting' | 'online' | 'offline' | 'closed'

export interface SyncState {
  /** `offline`: the provider reconnects by itself. `closed`: it does not, see `reason`. */
  connection: SyncConnection
  /** The server has committed everything that was typed here. */
  isSaved: boolean
  /** When the oldest change was made that is not known to be saved; null if there is none. */
  unsavedSinceMs: number | null
  /** What the token allows in this document; null while that is not known. */
  access: Access | null
  /** Why it was closed or an edit was refused; empty otherwise. */
  reason: string
}

/** A change that is not saved after this time is no longer "Saving…". */
const SLOW_MS = 3_000
/** A server that was silent for so long is asked whether it is there; one that owes an acknowledgement, sooner. */
const QUIET_MS = 20_000
/** How long the answer may take; shorter when the browser says that the network is gone. */
const ANSWER_WAIT_MS = 5_000
const OFFLINE_WAIT_MS = 800

/** Says how a document stands, in a few words. Call it again every second while something is not saved: the age is part of it. */
export function describeSync ({ connection, isSaved, unsavedSinceMs, access }: SyncState, nowMs = Date.now()): string {
  const age = unsavedSinceMs === null ? 0 : nowMs - unsavedSinceMs
  if (connection === 'closed') return isSaved ? 'Closed' : 'Closed – not saved'
  if (connection === 'offline') return isSaved ? 'Offline' : `Offline – not saved: ${durationOf(age)}`
  if (connection === 'connecting') return 'Connecting…'
  if (!isSaved) return age < SLOW_MS ? 'Saving…' : `Not saved yet: ${durationOf(age)}`
  return access === 'read' ? 'View only' : 'Saved'
}

function durationOf (ms: number): string {
  const s = Math.round(ms / 1000)
  return s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h`
}

/** A document's connection and what of it is saved, now and at each `change`. Made by `watchWebsocketProvider` or `watchHocuspocusProvider`. */
export class DocumentSync extends Emitter<{ change: SyncState, refused: { reason: string } }> {
  state: SyncState = { connection: 'connecting', isSaved: true, unsavedSinceMs: null, access: null, reason: '' }
  #line: Line
  #probing = new Timer()
  #quiet = new Timer()
  #stops: (() => void)[] = []

  /** @internal */
  constructor (line: Line) {
    super()
    this.#line = line
    const onOffline = () => this.#probe(OFFLINE_WAIT_MS)
    const onOnline = () => this.#probe(ANSWER_WAIT_MS)
    globalThis.addEventListener?.('offline', onOffline)
    globalThis.addEventListener?.('online', onOnline)
    this.#stops.push(() => {
      globalThis.removeEventListener?.('offline', onOffline)
      globalThis.removeEventListener?.('online', onOnline)
    })
    this.#watchQuiet()
  }

  /** @internal */
  put (changed: Partial<SyncState>): void {
    const before = this.state
    const next = { ...before, ...changed }
    if (next.isSaved) next.unsavedSinceMs = null
    else next.unsavedSinceMs ??= Date.now()
    const isSame = (Object.keys(next) as (keyof SyncState)[]).every((key) => next[key] === before[key])
    if (isSame) return
    this.state = next
    if (before.isSaved !== next.isSaved || before.connection !== next.connection) this.#watchQuiet()
    emit(this, 'change', next)
  }

  /** @internal Runs when the watching stops. */
  whenStopped (stop: () => void): void { this.#stops.push(stop) }

  /** Takes the access from the JSON client's room, which knows it before the first key. @returns Stops it. */
  takeAccess (room: { access: Access | null, on <Type extends 'joined' | 'access'> (type: Type, listener: (event: RoomEvents[Type]) => void): () => void }): () => void {
    const take = ({ access }: { access: Access | null }) => this.put({ access })
    if (room.access) take(room)
    const stops = [room.on('joined', take), room.on('access', take)]
    return () => { for (const stop of stops) stop() }
  }

  /** Ends the watching; the provider goes on. */
  stop (): void {
    this.#probing.clear()
    this.#quiet.clear()
    for (const stop of this.#stops.splice(0)) stop()
  }

  #watchQuiet (): void {
    if (this.state.connection !== 'online') return this.#quiet.clear()
    const maxMs = this.state.isSaved ? QUIET_MS : SLOW_MS
    const quietMs = Date.now() - this.#line.heardAtMs()
    this.#quiet.set(() => {
      if (Date.now() - this.#line.heardAtMs() >= maxMs) this.#probe(ANSWER_WAIT_MS)
      this.#watchQuiet()
    }, Math.max(maxMs - quietMs, 1_000))
  }

  /** Asks for a sign of life. */
  #probe (waitMs: number): void {
    const isShorter = waitMs === OFFLINE_WAIT_MS
    if (this.state.connection === 'closed' || (this.#probing.isSet && !isShorter)) return
    const askedAtMs = Date.now()
    if (!this.#line.ask()) return
    this.#probing.set(() => {
      // A timer that comes far too late means that this side slept.
      if (Date.now() - askedAtMs > 2 * waitMs) return this.#probe(ANSWER_WAIT_MS)
      if (this.#line.heardAtMs() >= askedAtMs) return
      this.put({ connection: 'offline' })
      this.#line.drop()
    }, waitMs)
  }
}

/** What a provider lends to find out whether anybody is there. */
interface Line {
  heardAtMs (): number
  /** Sends something that is answered at once; whether it could. */
  ask (): boolean
  /** The connection is dead: begins another one. */
  drop (): void
}

interface Observable {
  on (type: string, listener: (...given: never[]) => void): void
  off (type: string, listener: (...given: never[]) => void): void
}

/** Listens until the watching stops. */
const listenTo = (sync: DocumentSync, source: Observable, type: string, listener: (...given: never[]) => void): void => {
  source.on(type, listener)
  sync.whenStopped(() => source.off(type, listener))
}

// --- y-websocket

type MessageHandler = (encoder: unknown, decoder: { arr: Uint8Array, pos: number }, ...rest: unknown[]) => void

interface WebsocketProvider extends Observable {
  doc: Observable
  ws: { send (frame: Uint8Array): void } | null
  wsconnected: boolean
  wsLastMessageReceived: number
  shouldConnect: boolean
  synced: boolean
  messageHandlers: MessageHandler[]
  connect (): void
  disconnect (): void
}

/** A sync message of type Update that holds the empty update. */
const BARRIER = Uint8Array.of(0, 2, 2, 0, 0)
const SYNC_STEP_1 = 0
const MESSAGE_SYNC = 0
const MESSAGE_AUTH = 2
const QUERY_AWARENESS = Uint8Array.of(3)
/** Typing asks once in this time, not once a key. */
const ASK_DELAY_MS = 120

const isBarrier = (frame: Uint8Array): boolean => frame.length === BARRIER.length && frame.every((byte, index) => byte === BARRIER[index])

/**
 * Watches a `WebsocketProvider` of y-websocket. The server echoes a client's frames only after their commit, in order, so an empty
 * update serves as a barrier: when it comes back, everything sent before it is saved.
 *
 * `isDirty`: the document already holds edits that nobody has confirmed, such as those kept by y-indexeddb from another visit.
 */
export function watchWebsocketProvider (provider: object, { isDirty = false }: { isDirty?: boolean } = {}): DocumentSync {
  const yjs = provider as WebsocketProvider
  let hasChangedSinceAsked = false
  let isAsking = false
  /** Edits made while away travel in the answer to the server's Step1: a barrier before that answer would prove nothing. */
  let hasOfferedAll = false
  const asking = new Timer()

  const sync = new DocumentSync({
    heardAtMs: () => yjs.wsLastMessageReceived,
    ask () {
      if (!yjs.wsconnected) return false
      yjs.ws?.send(QUERY_AWARENESS)
      return true
    },
    drop () {
      if (!yjs.shouldConnect) return
      yjs.disconnect()
      yjs.connect()
    }
  })

  const report = () => sync.put({ isSaved: !isDirty })

  const ask = () => {
    if (!isDirty || isAsking || !hasOfferedAll) return
    isAsking = true
    hasChangedSinceAsked = false
    yjs.ws?.send(BARRIER)
  }

  const askSoon = () => { if (!asking.isSet) asking.set(ask, ASK_DELAY_MS) }

  const onAnswer = () => {
    isAsking = false
    if (hasChangedSinceAsked) askSoon()
    else isDirty = false
    report()
  }

  const onOffered = () => {
    hasOfferedAll = yjs.wsconnected
    hasChangedSinceAsked ||= isAsking
    ask()
  }

  const readSync = yjs.messageHandlers[MESSAGE_SYNC]!
  const readAuth = yjs.messageHandlers[MESSAGE_AUTH]
  yjs.messageHandlers[MESSAGE_SYNC] = (encoder, decoder, ...rest) => {
    const frame = decoder.arr
    if (isBarrier(frame)) return onAnswer()
    readSync(encoder, decoder, ...rest)
    // The provider sends its answer after this returns.
    if (frame[1] === SYNC_STEP_1) queueMicrotask(onOffered)
  }
  yjs.messageHandlers[MESSAGE_AUTH] = (_encoder, { arr, pos }) => {
    if (arr[pos] !== 0) return
    const [reason] = readString(arr, pos + 1)
    sync.put({ reason })
    emit(sync, 'refused', { reason })
  }
  sync.whenStopped(() => {
    asking.clear()
    yjs.messageHandlers[MESSAGE_SYNC] = readSync
    if (readAuth) yjs.messageHandlers[MESSAGE_AUTH] = readAuth
  })
  listenTo(sync, yjs.doc, 'update', (_update: Uint8Array, origin: unknown) => {
    if (origin === provider) return
    isDirty = true
    hasChangedSinceAsked = true
    askSoon()
    report()
  })
  listenTo(sync, yjs, 'status', ({ status }: { status: string }) => {
    if (status === 'connected') return
    isAsking = false
    hasOfferedAll = false
    if (status === 'disconnected') sync.put({ connection: 'offline' })
  })
  listenTo(sync, yjs, 'connection-error', () => sync.put({ connection: 'offline' }))
  listenTo(sync, yjs, 'sync', (isSynced: boolean) => { if (isSynced) sync.put({ connection: 'online' }) })
  listenTo(sync, yjs, 'closed', ({ code, reason }: { code: number, reason: string }) =>
    sync.put({ connection: 'closed', reason: reason || sync.state.reason || `close code ${code}` }))
  sync.put({ isSaved: !isDirty, connection: yjs.synced ? 'online' : 'connecting' })
  return sync
}

// --- Hocuspocus

interface HocuspocusProvider extends Observable {
  isSynced: boolean
  hasUnsyncedChanges: boolean
  authorizedScope?: string
  sendToken (): unknown
}

/**
 * Watches a `HocuspocusProvider`. `hasUnsyncedChanges === false` means committed to this server.
 *
 * Pass `isFinal` to say whether a failed authentication is the end: an app may try once more with a fresh token.
 */
export function watchHocuspocusProvider (provider: object, { isFinal = () => true }: { isFinal?: (reason: string) => boolean } = {}): DocumentSync {
  const hocuspocus = provider as HocuspocusProvider
  let heardAtMs = Date.now()
  /** Null while the transport is down. */
  let isUp = false

  const sync = new DocumentSync({
    heardAtMs: () => heardAtMs,
    ask () {
      // The server answers each token at once.
      if (isUp) hocuspocus.sendToken()
      return isUp
    },
    // The provider drops a silent connection by itself.
    drop () {}
  })
  const accessOf = (): Access | null => hocuspocus.authorizedScope === 'readonly' ? 'read' : hocuspocus.authorizedScope ? 'write' : null
  const report = () => sync.put({
    isSaved: !hocuspocus.hasUnsyncedChanges,
    access: accessOf(),
    ...(isUp && hocuspocus.isSynced && sync.state.connection !== 'closed' ? { connection: 'online' as const, reason: '' } : {})
  })

  listenTo(sync, hocuspocus, 'message', () => {
    heardAtMs = Date.now()
    if (sync.state.connection === 'offline') report()
  })
  for (const type of ['synced', 'unsyncedChanges', 'authenticated']) listenTo(sync, hocuspocus, type, report)
  listenTo(sync, hocuspocus, 'status', ({ status }: { status: string }) => {
    isUp = status === 'connected'
    if (status === 'disconnected' && sync.state.connection !== 'closed') sync.put({ connection: 'offline' })
  })
  listenTo(sync, hocuspocus, 'close', ({ event }: { event: { reason: string } }) => {
    // That of a document, which is for good; a connection's is an `Event`, and the provider comes back.
    if (!('type' in event)) sync.put({ connection: 'closed', reason: event.reason })
  })
  listenTo(sync, hocuspocus, 'authenticationFailed', ({ reason }: { reason: string }) => {
    if (isFinal(reason)) sync.put({ connection: 'closed', reason })
  })
  return sync
}
