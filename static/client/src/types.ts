// The public types of the client: what an app declares, what it is told, and the options it passes.

import type { TuttiError } from './error.js'

/** The name of an app's own event: it has a dot, such as `order.updated`. */
export type EventName = `${string}.${string}`

/**
 * What an app says about its own data, as a type parameter of `connect`, `Tutti` and `Room`. What is left out is `unknown`.
 *
 *     connect<{ payload: { mood: string }, presence: { colour: string }, events: { 'order.updated': { id: number } } }>(…)
 */
export interface AppTypes {
  /** What chat messages carry beside their text. */
  payload?: unknown
  /** What users show of themselves in a room. */
  presence?: unknown
  /** Payloads of the app's events, by name. */
  events?: object
  /** What direct messages carry. */
  direct?: unknown
}

export type PayloadOf<App> = App extends { payload: infer Payload } ? Payload : unknown
export type PresenceOf<App> = App extends { presence: infer State } ? State : unknown
export type DirectOf<App> = App extends { direct: infer Payload } ? Payload : unknown
export type EventsOf<App> = App extends { events: infer Events } ? Events : Record<EventName, unknown>
export type EventNameOf<App> = keyof EventsOf<App> & string

export type StateName = 'idle' | 'connecting' | 'online' | 'offline' | 'closed'
/** `offline`: the client reconnects by itself in `retryInMs`. `closed`: it does not; `open()` begins again. */
export interface State {
  state: StateName
  /** The close code that led here; 0 if there was none. */
  code?: number
  /** For people. */
  reason?: string
  retryInMs?: number
  /** While online. */
  transport?: Transport
}

/** `stream`: no WebSocket gets through, so an event stream and requests carry the same. */
export type Transport = 'websocket' | 'stream'

/** Nothing stands for "signed out": the client closes. */
export type Token = string | null | undefined

/** As much of a WebSocket as the client uses. */
export interface Socket {
  binaryType: string
  readonly bufferedAmount: number
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: { code: number, reason: string }) => void) | null
  onerror: ((event: unknown) => void) | null
  send (data: string | Uint8Array): void
  close (code?: number): void
}

export interface Options {
  /** A function is called at each connect and before the token expires. */
  token: Token | (() => Token | Promise<Token>)
  /** For Node.js without a WebSocket of its own: that of npm's `ws`. */
  WebSocket?: unknown
  /** Requests that may wait for their acknowledgement: 1,000. Further ones are rejected. */
  queueMax?: number
  /** The same in bytes of JSON: 4 MiB. */
  queueBytesMax?: number
  /** With more than this in the socket's buffer, requests wait and signals are dropped: 256 KiB. */
  bufferedBytesMax?: number
}

export type Access = 'read' | 'write' | 'admin'
export type EntryKind = 'edit' | 'message' | 'event' | 'step'

export interface Saved { seq: number, timestamp: string }

/** Who and when, as the server says. */
export interface Stamp { user: string, name: string, timestamp: string }

/** `erased`: what it said was erased, so that `text` is empty. */
export interface ChatMessage<Payload = unknown> extends Stamp { room: string, seq: number, text: string, payload?: Payload, erased?: true }

/** Ephemeral events have no `seq`. Of one that was erased there is no `payload`, or only the numbers in it. */
export interface AppEvent<Type extends string = EventName, Payload = unknown> extends Stamp {
  type: Type
  room: string
  payload: Payload
  seq?: number
  ephemeral?: boolean
  erased?: true
}

export interface DirectMessage<Payload = unknown> extends Stamp { to: string, payload: Payload }

export interface Present<State = unknown> { user: string, name: string, sockets: number, state?: State }
export interface PresenceChange<State = unknown> { count: number, joins: Present<State>[], updates: Present<State>[], leaves: Present<State>[] }

/** `version` is the one before the steps. */
export interface Steps extends Stamp { room: string, seq: number, version: number, steps: unknown[], clientIds: (string | number)[] }

/** A Yjs update. */
export interface Edit { room: string, user: string, timestamp: string, seq: number, update: Uint8Array }

export interface PushAccepted { accepted: true, seq: number, version: number, timestamp: string }
/** `version` is the head; the steps are those after `since`. */
export interface PushRejected { accepted: false, version: number, since: number, steps: unknown[], clientIds: (string | number)[] }

export interface Joined<State = unknown> { seq: number, access: Access, recovered: boolean, members: Present<State>[] }
/** What came after `since`, up to `seq`, was not replayed: read the history. */
export interface Gap { since: number, seq: number }
/** Something was erased for good. `said`: messages, events, comments or names in them are others than before: read anew what you show of them. */
export interface ErasedEvent extends Stamp { seq: number, said: boolean }

export interface HistoryEntry { seq: number, kind: EntryKind, author: string, at: string, bytes?: number, body?: unknown }
export interface HistoryQuery { after?: number, before?: number, limit?: number, kind?: EntryKind, author?: string }
export interface HistoryPage { entries: HistoryEntry[], next: number | null }

/** `erased`: what it said was erased, so that `text` is empty. */
export interface Comment { seq: number, user: string, name: string, at: string, text: string, erased?: true }
export interface Resolution { seq: number, user: string, name: string, at: string }
/** A comment on a place, which is named by its `seq`, and what was said to it. Open while `resolved` is missing. */
export interface CommentThread extends Comment {
  /** The text that it is about, as it was then. */
  quote?: string
  anchor?: unknown
  /** The first 200; `more` follow. */
  replies: Comment[]
  more?: number
  resolved?: Resolution
}
export interface CommentQuery { after?: number, limit?: number }
/** `seq`: the entry up to which the threads are told; with `partial`, the history has more of them behind it. */
export interface CommentPage { room: string, seq: number, partial?: boolean, threads: CommentThread[], next: number | null }

/** A seq (0: before all), or a time: a `Date`, or RFC 3339. */
export type Moment = number | Date | string

export interface DocumentQuery<Format extends string = 'json'> {
  at: Moment
  /** `json` if it is left out. */
  format?: Format
  /** The root type; needed for one of several. Not with `yjs`. */
  root?: string
}
/** `seq`: the document is as it was after this entry. */
export interface PastDocument<Format extends string = 'json'> {
  seq: number
  content: Format extends 'yjs' ? Uint8Array : Format extends 'text' | 'xml' ? string : unknown
}

export interface BlameQuery { at?: Moment, root?: string }
/** Runs without gaps, in UTF-16 units. `by`: whose it is; `via`: who sent it, where that is somebody else. */
export interface BlameRun { from: number, to: number, by: string, via?: string, seq: number, at: string }
/** `partial`: some text that an edit deleted and inserted again only in part counts as newly written; finding it would have taken too long. */
export interface Blame { room: string, seq: number, runs: BlameRun[], partial?: true }

export interface DiffQuery { from: Moment, to?: Moment, root?: string }
/** Who did it, by which edit, and when. */
export interface ChangeStamp { by: string, via?: string, seq: number, at: string }
/** Other formats than before, null for those that ended; nothing where they are as before. */
export type Reformatted = { attributes?: undefined } | ({ attributes: Record<string, unknown> } & ChangeStamp)
/** Lengths are UTF-16 units of a text, values of an array; an embed and a shared type count 1. */
export type DiffOperation =
  | ({ retain: number } & Reformatted)
  /** A shared type that is in both, and what differs in it. */
  | ({ modify: Changes } & Reformatted)
  /** A text, a list of an array's values, or else the value of an embed. */
  | ({ insert: unknown, attributes?: Record<string, unknown> } & ChangeStamp)
  /** A shared type. */
  | ({ create: SharedType, attributes?: Record<string, unknown> } & ChangeStamp)
  /** With what it was: `values` of an array or of an embed, `type` of a shared type. */
  | ({ delete: number, text?: string, values?: unknown[], type?: SharedType } & ChangeStamp)
/** It had `from`, or the shared type `type`, and has `to`, or the shared type `create`; what is missing was not there, or is not. */
export type KeyChange = { modify: Changes } | ({ from?: unknown, type?: SharedType, to?: unknown, create?: SharedType } & ChangeStamp)
/** What differs in a shared type: in its list, and in its keys or attributes. */
export interface Changes { ops?: DiffOperation[], keys?: Record<string, KeyChange> }
export type SharedKind = 'text' | 'array' | 'map' | 'fragment' | 'element' | 'xmlText' | 'hook'
/** A shared type that came or went, with all that did so with it. */
export interface SharedType extends Changes { kind: SharedKind, name?: string }
/** `root` and `kind` are missing if the document never had a root type. */
export interface Diff extends Changes { room: string, from: number, to: number, root?: string, kind?: SharedKind, ops: DiffOperation[] }

/** `gap`: seconds of silence that end a session, 600 if it is left out; `before`: only sessions that begin before this seq. */
export interface ActivityQuery { before?: number, limit?: number, gap?: number }
/** What one user did in a session: UTF-16 units of text that came and went. */
export interface Work { user: string, edits: number, inserted: number, deleted: number }
export interface Session { from: number, to: number, startedAt: string, endedAt: string, authors: Work[] }
/** `next`: to pass as `before`; null at the end. */
export interface ActivityPage { room: string, sessions: Session[], next: number | null }

/** A seq may have several labels, each once. */
export interface VersionKey { seq: number, label: string }
export interface VersionChange { label?: string, meta?: unknown }
/** `authors`: who named it; of an automatic one, which has no label, who worked until then. */
export interface Version { seq: number, label?: string, meta?: unknown, authors: string[], at: string }

export interface RestoreOptions {
  /** Undo only what this user did since. */
  by?: string
  /** Only if this is the newest entry; else the error `changed`. */
  ifHead?: number
  /** Repeated with the same key, the restore is stored once. */
  key?: string
  /** Only tell what would happen. */
  dryRun?: boolean
}
/** `seq`: where the edit stands; null if there was nothing to undo, or it was a dry run. `from`: the entry that it was made for. */
export interface Restored { seq: number | null, to: number, from: number, inserted: number, deleted: number }

/** All words of a user; or what lies or ever lay in a part of a root type, all that it ever held without `from` and `to`. */
export type ErasedContent =
  | { user: string }
  /** Units as `blame` counts them, after the entry `at`, or now. */
  | { root?: string, from: number, to: number, at?: number }
  | { root: string }
/** What is erased; or, in place of it, who is called `erased-…` from then on. */
export type ErasedWish = { content: ErasedContent } | { anonymise: string }
/** `units`, of which `alive` live and `characters` are UTF-16 units of text; `entries` that are rewritten. */
export interface Erased {
  dryRun: boolean
  /** False if the server goes on with it. */
  done: boolean
  units: number
  characters: number
  alive: number
  entries: number
  messages: number
  /** Others' comments that go on without what they quote. */
  quotes: number
  /** The last edit that deletes what lives. */
  seq: number | null
  /** What the user is called from then on. */
  name: string | null
  /** As of blame. */
  partial?: true
}

/** An erasure that has begun and not ended: entries up to `done` of those up to `upto` are rewritten. */
export interface PendingErasure {
  /** All is, and the database's files are to be cleared. */
  rewritten: boolean
  done: number
  upto: number
  /** Why it does not go on. */
  failure?: { reason: string, at: string }
}

export interface CopyOptions {
  /** What is copied ends after this entry, or at this time; with the newest entry if it is left out. */
  at?: Moment
  /** Instead: at the newest version of this label. */
  version?: string
  /** Copy the timeline and named versions, and not the document alone. */
  history?: boolean
}
/** The new room and its newest entry; what it was made of, up to which entry. */
export interface Copied { room: string, seq: number, from: { room: string, seq: number } }

/** Numbers in runs: of each run the first number, how much each is more than the one before, and how many there are. */
export type Runs = number[]
/** What a unit (`at`) of a replay is that is no text. Elements and texts hold what stands up to the unit at `end`. */
export type ReplayNode =
  | { kind: 'element', at: number, end: number, name: string }
  | { kind: 'text', at: number, end: number }
  /** Of the element around it. */
  | { kind: 'attribute', at: number, key: string, value: unknown }
  /** Begins a format, or ends it where the value is null. */
  | { kind: 'mark', at: number, key: string, value: unknown }
  | { kind: 'embed', at: number, value: unknown }
/**
 * All that a text or XML root ever was: all units that were ever inserted, in the order of the document, with the edits that inserted
 * and first deleted each. The document after any edit is what was inserted by then and not deleted.
 */
export interface Replay {
  room: string
  /** The newest entry that is in it. */
  seq: number
  /** Null if the document never had a root type. */
  root: string | null
  kind: 'text' | 'xml'
  /** Users, by their numbers from 0 on. */
  authors: string[]
  /** Edits are numbered from 1 on. `at`: of the first in Unix milliseconds, of each other how long after the one before. */
  edits: { count: number, seq: Runs, at: number[], by: Runs }
  /** By UTF-16 units; U+FFFC stands for what is no text. `deleted` is 0 for what no edit deleted. */
  units: { text: string, inserted: Runs, deleted: Runs, by: Runs }
  /** Text that an edit deleted and inserted again: the first unit of it, the first one that it stands for, and how many there are. */
  moved: [unit: number, from: number, count: number][]
  nodes: ReplayNode[]
  /**
   * Surrogate pairs that somebody came between, so that both halves are U+FFFD: the units of both, the code point, and the edit from
   * which on that is so. Before it the halves are one character.
   */
  pairs: [at: number, other: number, codePoint: number, until: number][]
  /** As of blame. */
  partial?: true
}

export interface TuttiEvents<App = AppTypes> {
  state: State
  direct: DirectMessage<DirectOf<App>>
  /** The token expires soon; with a token function it is renewed by itself. */
  expiring: { expiresAt: string }
  /** The server is about to restart; the client reconnects by itself. */
  draining: object
  /** Each JSON frame as it passes, for inspectors and logs. Tokens are left out. */
  frame: Frame
  /** What no promise tells: a refused signal, a room that cannot be joined, a token that could not be had. */
  error: TuttiError
}

/** What was sent or received: the JSON text, or the number of bytes of a binary frame. */
export interface Frame { direction: 'sent' | 'received', text: string, bytes: number }

interface RoomEventsOfTutti<App> {
  message: ChatMessage<PayloadOf<App>>
  /** Every event of the app. */
  event: { [Type in EventNameOf<App>]: AppEvent<Type, EventsOf<App>[Type]> }[EventNameOf<App>]
  steps: Steps
  edit: Edit
  presence: PresenceChange<PresenceOf<App>>
  joined: Joined<PresenceOf<App>>
  gap: Gap
  erased: ErasedEvent
  typing: { user: string, name: string, typing: boolean }
  bytes: { user: string, bytes: Uint8Array }
  access: { access: Access }
  evicted: { reason: string }
  error: TuttiError
}

/** Names with a dot are the app's own events. */
export type RoomEvents<App = AppTypes> = RoomEventsOfTutti<App> & { [Type in EventNameOf<App>]: AppEvent<Type, EventsOf<App>[Type]> }

export interface RoomOptions {
  /** Show first what came after this entry (0: everything). Without it, only what comes from now on. */
  since?: number
  /** Show the document's edits, too. */
  edits?: boolean
}
