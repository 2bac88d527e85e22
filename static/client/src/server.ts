// For an application's back end: REST with tokens that it mints itself, and what it is told, verified. No dependencies; needs `fetch` and
// Web Crypto, which Node.js 20 and newer, Deno, Bun and edge runtimes have. The secret belongs into no browser.

import { TuttiError } from './error.js'
import type { Access, Copied, HistoryPage, HistoryQuery, Saved } from './types.js'

export { TuttiError } from './error.js'
export type { Access, Copied, EntryKind, HistoryEntry, HistoryPage, HistoryQuery, Saved } from './types.js'

/** Which rooms, by name or by pattern (`docs/*`), and what in them. `history` lets a reader look back. */
export interface Grant { room: string, access: Access | 'none', history?: boolean }

export interface TokenClaims {
  /** The user's id. */
  sub: string
  /** What others see; the id if it is missing. */
  name?: string
  /** The first that fits a room decides. */
  rooms: Grant[]
  /** Seconds until it expires: 3,600. */
  ttl?: number
  iss?: string
  aud?: string | string[]
  jti?: string
}

const text = new TextEncoder()

/** A token for a user, signed with the server's `TUTTI_JWT_SECRET` (HS256). */
export async function mintToken (secret: string, { ttl = 3600, ...claims }: TokenClaims): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const part = (value: object): string => base64Url(text.encode(JSON.stringify(value)))
  const message = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ ...claims, iat: now, exp: now + ttl })}`
  const signature = await crypto.subtle.sign('HMAC', await hmacKey(text.encode(secret), 'sign'), text.encode(message))
  return `${message}.${base64Url(new Uint8Array(signature))}`
}

const hmacKey = (bytes: Uint8Array<ArrayBuffer>, use: 'sign' | 'verify'): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, [use])

const base64Url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')

/** Those of a request: of `fetch`, or of Node.js, with names in lower case. */
export type RequestHeaders = Headers | Record<string, string | string[] | undefined>

export interface VerifyOptions {
  /** How far the delivery's time may be from now, in seconds: 300. */
  tolerance?: number
}

/**
 * Checks what a server has signed, as Standard Webhooks has it: of a webhook the payload is the body as it came, of a question for first
 * contents the room's name.
 *
 * @throws TuttiError `invalid_signature`
 */
export async function verifySignature (
  secret: string, headers: RequestHeaders, payload: string | Uint8Array, { tolerance = 300 }: VerifyOptions = {}
): Promise<void> {
  const header = (name: string): string => String((headers instanceof Headers ? headers.get(name) : headers[name]) ?? '')
  const [id, timestamp, signatures] = [header('webhook-id'), header('webhook-timestamp'), header('webhook-signature')]
  if (!/^\d{1,15}$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > tolerance) throw invalid('the time is missing, or too far from now')
  const head = text.encode(`${id}.${timestamp}.`)
  const body = typeof payload === 'string' ? text.encode(payload) : payload
  const signed = new Uint8Array(head.length + body.length)
  signed.set(head)
  signed.set(body, head.length)
  const bytes = bytesOf(secret.replace(/^whsec_/, ''))
  if (!bytes?.length) throw new TuttiError('invalid_secret', 'a secret is whsec_ and base64')
  const key = await hmacKey(bytes, 'verify')
  for (const part of signatures.split(' ')) {
    const signature = part.startsWith('v1,') ? bytesOf(part.slice(3)) : null
    if (signature && await crypto.subtle.verify('HMAC', key, signature, signed)) return
  }
  throw invalid('no signature fits')
}

const invalid = (message: string): TuttiError => new TuttiError('invalid_signature', message)

function bytesOf (base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
  } catch {
    return null
  }
}

/** What all events have. `id` is the same when a delivery is repeated. */
interface Told<Type extends string> { type: Type, id: string, timestamp: string, room: string }
interface ToldOfEntry<Type extends string> extends Told<Type> { seq: number, user: string, name?: string, payload?: unknown }

export interface DocumentChanged extends Told<'document.changed'> {
  firstSeq: number
  seq: number
  authors: string[]
  /** In the format that the webhook asks for; as it is up to `contentSeq`, which may be newer than `seq`. */
  content?: unknown
  contentSeq?: number
  contentError?: 'too_large' | 'root_not_found' | 'too_costly'
}
export interface MessageCreated extends ToldOfEntry<'message.created'> { text: string }
export type RoomCreated = ToldOfEntry<'room.created'>
export interface RoomDeleted extends Told<'room.deleted'> { user: string, name: string }
export interface RoomEmpty extends Told<'room.empty'> { bestEffort: true }
export interface PresenceChanged extends Told<'presence.joined' | 'presence.left'> { user: string, name: string, bestEffort: true }

/** By `type`; whatever else it is, an event of the app, or one that this client does not know. */
export type WebhookEvent = DocumentChanged | MessageCreated | RoomCreated | RoomDeleted | RoomEmpty | PresenceChanged

/**
 * What a webhook tells, once its signature holds. Give it the body as it came: parsed and written again, it is another one.
 *
 * @throws TuttiError `invalid_signature`
 */
export async function verifyWebhook<Event extends { type: string } = WebhookEvent> (
  secret: string, headers: RequestHeaders, body: string | Uint8Array, options?: VerifyOptions
): Promise<Event> {
  await verifySignature(secret, headers, body, options)
  return JSON.parse(typeof body === 'string' ? body : new TextDecoder().decode(body)) as Event
}

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

export interface RoomInfo { room: string, seq: number, createdAt: string, updatedAt: string, access: Access }
export interface CopyOptions {
  /** A seq, or a time in RFC 3339: what is copied ends there; with the newest entry if it is left out. */
  at?: number | string
  /** Instead: at the newest version of this label. */
  version?: string
  /** Copy the timeline and named versions, and not the document alone. */
  history?: boolean
}
export interface RoomQuery { prefix?: string, after?: string, limit?: number }
export interface RoomPage { rooms: RoomInfo[], next: string | null }

/** What becomes of a deleted room: it can be taken back while `remains` is `all`; its name stays taken, unless that is `nothing`. */
export interface Deletion { at: string, by: string, purgeAt?: string, remains: 'all' | 'some' | 'name' | 'nothing' }
export interface DeletedRoom { room: string, deletion: Deletion, disconnected: number }

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

/** The REST API of a server, for a back end. Every method throws a TuttiError with the `code` of the refusal; nothing is repeated by itself. */
export class TuttiServer {
  readonly url: string
  #options: TuttiServerOptions

  /** `url`: of the server, such as `http://127.0.0.1:8080`. */
  constructor (url: string, options: TuttiServerOptions) {
    if (!options.secret && !options.token) throw new TuttiError('invalid_options', 'a secret or a token is needed')
    this.url = new URL(url).href.replace(/\/+$/, '')
    this.#options = options
  }

  /** A page of the rooms that the token may read, by name: pass `next` as `after`. */
  async listRooms (query: RoomQuery = {}): Promise<RoomPage> { return answered(await this.request('GET', '/rooms', { query })) }

  async getRoom (room: string): Promise<RoomInfo> { return answered(await this.request('GET', roomPath(room))) }

  /**
   * Deletes a room, and puts out who is in it. It can be taken back for a while; `hard`: its content goes at once; `free`, too: a new room may
   * have its name.
   */
  async deleteRoom (room: string, query: { hard?: boolean, free?: boolean } = {}): Promise<DeletedRoom> {
    return answered(await this.request('DELETE', roomPath(room), { query }))
  }

  /** Takes the deletion of a room back. */
  async undeleteRoom (room: string): Promise<RoomInfo> { return answered(await this.request('POST', roomPath(room, '/undelete'))) }

  /** Makes a new room of a room: of its document, or with `history` of its whole timeline. */
  async copyRoom (room: string, to: string, options: CopyOptions = {}): Promise<Copied> {
    return answered(await this.request('POST', roomPath(room, '/copy'), { body: { ...options, to } }))
  }

  /** A page of the timeline. With `after` and `wait` (seconds, at most 30), it waits for the first entry. */
  async readHistory (room: string, query: HistoryQuery & { wait?: number } = {}): Promise<HistoryPage> {
    return answered(await this.request('GET', roomPath(room, '/history'), { query }))
  }

  /** The document as it is committed, or as it was. */
  async readDocument<Format extends keyof ReadFormats = 'json'> (
    room: string, { format = 'json' as Format, ...query }: ReadOptions<Format> = {}
  ): Promise<ReadDocument<ReadFormats[Format]>> {
    const response = await this.request('GET', roomPath(room, '/document'), { query: { ...query, format } })
    const seq = Number(response.headers.get('tutti-seq'))
    if (format === 'yjs') return { seq, content: new Uint8Array(await received(response.arrayBuffer())) as ReadFormats[Format] }
    const content = await received(response.text())
    return { seq, content: (format === 'json' || format === 'prosemirror' ? JSON.parse(content) : content) as ReadFormats[Format] }
  }

  /** Makes the document what is wanted, by the smallest edit. */
  async putDocument (room: string, content: unknown, { format = 'json', root, nested, ...options }: PutOptions = {}): Promise<Written> {
    const body = format === 'text' ? String(content) : JSON.stringify(content)
    return this.#write('PUT', room, { format, root, nested }, body, options)
  }

  /** At most 1,000 operations, all of them or none. */
  async patchDocument (room: string, operations: Operation[], options: WriteOptions = {}): Promise<Written> {
    return this.#write('PATCH', room, {}, { operations }, options)
  }

  /** Takes a Yjs update, of `Y.encodeStateAsUpdate` or of its V2. */
  async applyUpdate (room: string, update: Uint8Array<ArrayBuffer>, { format = 'yjs', ...options }: WriteOptions & { format?: 'yjs' | 'yjs-v2' } = {}): Promise<Written> {
    return this.#write('POST', room, { format }, update, options)
  }

  /** Publishes a message or an event, or up to 256 of them at once: all or none. */
  publish (room: string, publication: Publication): Promise<Saved>
  publish (room: string, publications: Publication[]): Promise<Saved[]>
  async publish (room: string, publications: Publication | Publication[]): Promise<Saved | Saved[]> {
    return answered(await this.request('POST', roomPath(room, '/messages'), { body: publications }))
  }

  /**
   * Any other request: `path` is below `/api/v1`. The answer is one of success.
   *
   * @throws TuttiError with the server's `code`; `connection_lost` where no whole answer came: nobody knows whether it was done.
   */
  async request (method: string, path: string, { query = {}, headers, body }: ApiRequest = {}): Promise<Response> {
    const { timeoutMs = 60_000 } = this.#options
    const parameters = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined).map(([name, value]) => [name, String(value)]))
    const isJson = body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)
    const token = await this.#token()
    const response = await received(fetch(`${this.url}/api/v1${path}${parameters.size > 0 ? `?${parameters}` : ''}`, {
      method,
      headers: { ...(isJson && { 'content-type': 'application/json' }), ...headers, authorization: `Bearer ${token}` },
      body: isJson ? JSON.stringify(body) : body as string | Uint8Array<ArrayBuffer> | undefined,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs)
    }))
    if (!response.ok) throw await refusalOf(response)
    return response
  }

  async #token (): Promise<string> {
    const { secret, token, user = 'back-end', iss, aud } = this.#options
    if (secret) return mintToken(secret, { sub: user, rooms: [{ room: '*', access: 'admin' }], ttl: 300, iss, aud })
    return typeof token === 'function' ? token() : token!
  }

  async #write (method: string, room: string, query: object, body: ApiRequest['body'], { ifNew, ifSeq, key }: WriteOptions): Promise<Written> {
    const headers: Record<string, string> = {}
    if (ifNew) headers['if-none-match'] = '*'
    if (ifSeq !== undefined) headers['if-match'] = `"${ifSeq}"`
    const response = await this.request(method, roomPath(room, '/document'), { query: { ...query, key }, headers, body })
    const { seq } = await answered<{ seq: number }>(response)
    return { seq, created: response.status === 201 }
  }
}

const roomPath = (room: string, rest = ''): string => `/rooms/${encodeURIComponent(room)}${rest}`

const answered = <Body>(response: Response): Promise<Body> => received(response.json() as Promise<Body>)

/** What comes from the server, or that it did not come whole. */
async function received<Body> (coming: Promise<Body>): Promise<Body> {
  try {
    return await coming
  } catch (error) {
    const { message, cause } = error as Error
    const reason = cause instanceof Error ? `${message}: ${cause.message}` : message
    throw new TuttiError('connection_lost', reason, { temporary: true })
  }
}

/** A refusal in the server's own words, or that of something in between. */
async function refusalOf (response: Response): Promise<TuttiError> {
  const { status } = response
  const body = await received(response.text())
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  const options = { temporary: [408, 429, 502, 503, 504].includes(status), retryAfterMs: Number.isNaN(seconds) ? undefined : seconds * 1000 }
  try {
    const { code, message } = (JSON.parse(body) as { error: { code: string, message: string } }).error
    return new TuttiError(code, message, options)
  } catch {
    return new TuttiError(`http_${status}`, `the answer is ${status}, and not of Tutti`, options)
  }
}
