// For an application's back end: REST with tokens that it mints itself, and what it is told, verified. No dependencies; needs `fetch` and
// Web Crypto, which Node.js 20 and newer, Deno, Bun and edge runtimes have. The secret belongs into no browser.

import { TuttiError } from './error.js'
import { mintToken } from './mint.js'
import { Past } from './past.js'
import type {
  ApiRequest, DeletedRoom, DeliveryPage, DeliveryQuery, NewRevocation, NewWebhook, Operation, Publication, PutOptions, ReadDocument, ReadFormats, ReadOptions,
  Revocation, RoomInfo, RoomMeta, RoomPage, RoomPresence, RoomQuery, ServerStats, TuttiServerOptions, Webhook, WriteOptions, Written
} from './server-types.js'
import type { Copied, CopyOptions, CommentPage, CommentQuery, Erased, ErasedWish, HistoryPage, HistoryQuery, PendingErasure, Saved } from './types.js'

export { TuttiError } from './error.js'
export * from './mint.js'
export { Past } from './past.js'
export type * from './server-types.js'
export type {
  Access, ActivityPage, Blame, Comment, CommentPage, CommentQuery, CommentThread, Copied, CopyOptions, Diff, EntryKind, Erased, ErasedContent, ErasedWish, HistoryEntry, HistoryPage, HistoryQuery, Moment, PastDocument, PendingErasure,
  Replay, Resolution, Restored, RestoreOptions, Saved, Session, Version
} from './types.js'
export * from './verify.js'

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
  async listRooms ({ meta, ...query }: RoomQuery = {}): Promise<RoomPage> {
    return answered(await this.request('GET', '/rooms', { query: { ...query, meta: meta && JSON.stringify(meta) } }))
  }

  /** With `size`, its entries are counted. */
  async getRoom (room: string, query: { size?: boolean } = {}): Promise<RoomInfo> { return answered(await this.request('GET', roomPath(room), { query })) }

  /** Keeps something with a room, in place of what was kept; null: nothing. */
  async setMeta (room: string, meta: RoomMeta | null): Promise<RoomInfo> { return answered(await this.request('PATCH', roomPath(room), { body: { meta } })) }

  /** Makes a new room of a room: of its document, or with `history` of its whole timeline. */
  copyRoom (room: string, to: string, options: CopyOptions = {}): Promise<Copied> { return this.past(room).copy(to, options) }

  /** Erases what was written in a room, or whose it was, for good. Only tells what would happen, unless `dryRun` is false. */
  erase (room: string, what: ErasedWish, options: { dryRun?: boolean } = {}): Promise<Erased> { return this.past(room).erase(what, options) }

  /** The erasure of a room that has begun and not ended, if there is one. */
  erasure (room: string): Promise<PendingErasure | null> { return this.past(room).erasure() }

  /** Gives up an erasure that has not rewritten all; whether there was one. What it has rewritten stays so. */
  cancelErasure (room: string): Promise<boolean> { return this.past(room).cancelErasure() }

  /**
   * Deletes a room, and puts out who is in it. It can be taken back for a while; `hard`: its content goes at once; `free`, too: a new room may
   * have its name.
   */
  async deleteRoom (room: string, query: { hard?: boolean, free?: boolean } = {}): Promise<DeletedRoom> {
    return answered(await this.request('DELETE', roomPath(room), { query }))
  }

  /** Takes the deletion of a room back. */
  async undeleteRoom (room: string): Promise<RoomInfo> { return answered(await this.request('POST', roomPath(room, '/undelete'))) }

  async readPresence (room: string): Promise<RoomPresence> { return answered(await this.request('GET', roomPath(room, '/presence'))) }

  /** Puts a user, or everyone, out of a room; how many connections. They may come back while their tokens allow it. */
  async disconnect (room: string, who: { user?: string, reason?: string } = {}): Promise<{ disconnected: number, partial?: boolean }> {
    return answered(await this.request('POST', roomPath(room, '/disconnect'), { body: who }))
  }

  /** To all JSON connections of a user; how many these are. */
  async messageUser (user: string, payload: unknown): Promise<{ sockets: number, partial?: boolean }> {
    return answered(await this.request('POST', `/users/${encodeURIComponent(user)}/messages`, { body: { payload } }))
  }

  /** A page of the threads of comments. */
  async readComments (room: string, query: CommentQuery = {}): Promise<CommentPage> {
    return answered(await this.request('GET', roomPath(room, '/comments'), { query }))
  }

  /** What a room was: its document at a moment, who wrote it, what changed, named versions, and going back. */
  past (room: string): Past {
    return new Past(room, async (path, { method = 'GET', query, body, as }) => {
      const response = await this.request(method, `/${path}`, { query, body })
      const content = await (as === 'bytes' ? bytesOf(response) : received(response.text()))
      return { body: as ? content : content && JSON.parse(content as string), headers: response.headers }
    })
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
    if (format === 'yjs') return { seq, content: await bytesOf(response) as ReadFormats[Format] }
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

  async listWebhooks (): Promise<Webhook[]> { return (await answered<{ webhooks: Webhook[] }>(await this.request('GET', '/webhooks'))).webhooks }

  /** Has what happens told to a URL; the answer has the secret with which that is signed. */
  async addWebhook (webhook: NewWebhook): Promise<Webhook & { secret: string }> { return answered(await this.request('POST', '/webhooks', { body: webhook })) }

  async getWebhook (id: string): Promise<Webhook> { return answered(await this.request('GET', webhookPath(id))) }

  async changeWebhook (id: string, change: Partial<Pick<NewWebhook, 'url' | 'events' | 'rooms' | 'paused'>>): Promise<Webhook> {
    return answered(await this.request('PATCH', webhookPath(id), { body: change }))
  }

  /** With all that it was to be told. */
  async removeWebhook (id: string): Promise<void> { await this.request('DELETE', webhookPath(id)) }

  /** Sends `webhook.test` once, and tells what came back. */
  async testWebhook (id: string): Promise<{ id: string, delivered: boolean, status: number | null, error: string | null }> {
    return answered(await this.request('POST', webhookPath(id, '/test')))
  }

  /** What it was told, the newest first: pass `next` as `before`. */
  async listDeliveries (id: string, query: DeliveryQuery = {}): Promise<DeliveryPage> {
    return answered(await this.request('GET', webhookPath(id, '/deliveries'), { query }))
  }

  /** Tells it again. */
  async redeliver (id: string, delivery: string): Promise<void> {
    await this.request('POST', webhookPath(id, `/deliveries/${encodeURIComponent(delivery)}/redeliver`))
  }

  /** Lets a user's tokens of up to now, or one token, in no more. */
  async revoke (revocation: NewRevocation): Promise<Revocation> { return answered(await this.request('POST', '/revocations', { body: revocation })) }

  async listRevocations (query: { after?: string, limit?: number } = {}): Promise<{ revocations: Revocation[], next: string | null }> {
    return answered(await this.request('GET', '/revocations', { query }))
  }

  /** The figures of the server that answers. */
  async readStats (): Promise<ServerStats> { return answered(await this.request('GET', '/stats')) }

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

const webhookPath = (id: string, rest = ''): string => `/webhooks/${encodeURIComponent(id)}${rest}`

const bytesOf = async (response: Response): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await received(response.arrayBuffer()))

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
