// The public types of the client for a back end: what it asks the server for, and what it is answered.

import type { Access } from './types.js'

export interface TuttiServerOptions {
  /** `TUTTI_JWT_SECRET`: each request has a token of its own, with `admin` of all rooms. */
  secret?: string
  /** The author of what is written, with `secret`: `back-end`. */
  user?: string
  /** In place of `secret`: a token, or what gives one for each request. */
  token?: string | (() => string | Promise<string>)
  /** For servers with `--jwt-issuer` or `--jwt-audience`. */
  iss?: string
  aud?: string | string[]
  /** After which a request is given up: 60,000. */
  timeoutMs?: number
}

/** What an app keeps with a room: at most 4 KiB of JSON. */
export type RoomMeta = Record<string, unknown>
export interface RoomInfo {
  room: string
  seq: number
  /** The first entry that is kept. */
  firstSeq: number
  createdAt: string
  updatedAt: string
  access: Access
  meta?: RoomMeta
  /** If it was asked for. */
  size?: RoomSize
  /** Of a deleted room. */
  deletion?: Deletion
}
/** How many entries of each kind, how many named versions, and their bytes; those of what is derived from them, too. */
export interface RoomSize { edits: number, messages: number, events: number, steps: number, versions: number, entryBytes: number, derivedBytes: number }
export interface RoomQuery {
  prefix?: string
  /** By name, or those first that were changed last. */
  sort?: 'name' | 'updated'
  /** Only rooms whose own has all of these members. */
  meta?: RoomMeta
  /** Those that were deleted instead. */
  deleted?: boolean
  after?: string
  limit?: number
}
export interface RoomPage { rooms: RoomInfo[], next: string | null }

/** What becomes of a deleted room: it can be taken back while `remains` is `all`; its name stays taken, unless that is `nothing`. */
export interface Deletion { at: string, by: string, purgeAt: string, remains: 'all' | 'some' | 'name' | 'nothing' }
export interface DeletedRoom { room: string, deletion: Deletion, disconnected: number }

/** Who is connected, on all servers; with `partial` another server has not answered in time. */
export interface RoomPresence { room: string, users: { user: string, name: string, sockets: number }[], partial?: boolean }

/** A document by the format in which it is read. */
export interface ReadFormats { json: unknown, text: string, prosemirror: unknown, xml: string, yjs: Uint8Array<ArrayBuffer> }
export interface ReadOptions<Format> {
  /** `json`. */
  format?: Format
  /** Needed if there are several root types. */
  root?: string
  /** A seq, or a time: the document as it was then. */
  at?: number | string
}
/** `seq` is the entry up to which the content is. */
export interface ReadDocument<Content> { content: Content, seq: number }

export interface WriteOptions {
  /** Only if the room has no document yet; else `changed`. */
  ifNew?: boolean
  /** Only if the room's newest entry is this one; else `changed`. */
  ifSeq?: number
  /** Sent again with the same key, a write is stored once. */
  key?: string
}
export interface PutOptions extends WriteOptions {
  /** Of the content: `json`. */
  format?: 'json' | 'text' | 'prosemirror'
  /** Needed for `text` and `prosemirror` while there is not exactly one root type. */
  root?: string
  /** What new objects and lists in JSON become; if not given, what stands beside them is. */
  nested?: 'plain' | 'shared'
}
/** `created`: it made the document. */
export interface Written { seq: number, created: boolean }

/** A root type's name, then keys of maps and places in arrays or XML. */
export type Path = [string, ...(string | number)[]]
export type Operation =
  | { op: 'insert', path: Path, index: number, text: string, attributes?: object }
  | { op: 'insert', path: Path, index: number, values: unknown[], shared?: boolean }
  | { op: 'insert', path: Path, index: number, nodes: unknown[] }
  | { op: 'delete', path: Path, index: number, length: number }
  | { op: 'format', path: Path, index: number, length: number, attributes: object }
  | { op: 'set', path: Path, value: unknown, shared?: boolean }
  | { op: 'remove', path: Path }

/** A message has a `text`, an event a `type` with a dot. */
export type Publication = { text: string, payload?: unknown, key?: string } | { type: string, payload?: unknown, key?: string }

export interface ApiRequest {
  query?: object
  headers?: Record<string, string>
  /** An object is sent as JSON. */
  body?: object | string | Uint8Array<ArrayBuffer>
}

export interface NewWebhook {
  url: string
  /** Patterns of types, such as `order.*`; all if it is left out. */
  events?: string[]
  /** A room, or a pattern such as `docs/*`; all if it is left out. */
  rooms?: string
  /** The format in which `document.changed` brings the document. */
  content?: string
  root?: string
  paused?: boolean
}
/** `secret` is told once, to who adds it. */
export interface Webhook extends Required<Pick<NewWebhook, 'url' | 'events' | 'rooms' | 'paused'>> {
  id: string
  content?: string
  root?: string
  createdAt: string
  secret?: string
}
export interface DeliveryQuery { state?: Delivery['state'], before?: number, limit?: number }
/** What became of something that was to be told. */
export interface Delivery {
  id: string
  type: string
  room: string
  seq?: number
  at: string
  state: 'waiting' | 'delivered' | 'parked' | 'gone'
  attempts: number
  triedAt: string | null
  status: number | null
  error: string | null
}
export interface DeliveryPage { deliveries: Delivery[], next: number | null }

/** Of a user (all tokens of up to now), or of one token. */
export type NewRevocation = ({ sub: string } | { jti: string }) & { until?: string }
export interface Revocation { sub?: string, jti?: string, revokedAt: string, until: string }

export interface ServerStats {
  activeConnections: number
  messagesPerSecond: number
  averageMessageSizeBytes: number
  disconnectRatePerMinute: number
  memoryBytes: number | null
  rooms: number
  timestamp: string
}
