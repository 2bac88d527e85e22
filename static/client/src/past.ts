// A room's past, by REST: what its document was, who wrote it, what changed, named versions, and going back.

import type {
  ActivityPage, ActivityQuery, Blame, BlameQuery, Copied, CopyOptions, Diff, DiffQuery, DocumentQuery, Erased, ErasedWish, Moment, PastDocument, PendingErasure, Replay, Restored, RestoreOptions,
  Version, VersionChange, VersionKey
} from './types.js'

/** @internal A request to the REST API; `undefined` in a query stands for nothing. */
export interface RestRequest {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  query?: object
  body?: object
  /** What the answer's body is read as: JSON, if nothing is said. */
  as?: 'text' | 'bytes'
}

/** @internal */
export interface RestAnswer { body: unknown, headers: Headers }

/** @internal */
export type Rest = (path: string, request: RestRequest) => Promise<RestAnswer>

/** The past of one room. All of it but naming and restoring needs `write`, or `read` with `"history": true` in the token. */
export class Past {
  #room: string
  #rest: Rest

  /** @internal Made by `tutti.room()`. */
  constructor (room: string, rest: Rest) {
    this.#room = room
    this.#rest = rest
  }

  /** The document as it was at a moment, and the entry that it is after. */
  async document<Format extends 'json' | 'prosemirror' | 'text' | 'xml' | 'yjs' = 'json'> (
    { at, format, root }: DocumentQuery<Format>
  ): Promise<PastDocument<Format>> {
    const as = format === 'yjs' ? 'bytes' : format === 'text' || format === 'xml' ? 'text' : undefined
    const { body, headers } = await this.#ask('document', { query: { at: momentOf(at), format, root }, as })
    return { seq: Number(headers.get('tutti-seq')), content: body } as PastDocument<Format>
  }

  /** Who wrote each part of a root type, now or at a moment. */
  async blame ({ at, root }: BlameQuery = {}): Promise<Blame> {
    return (await this.#ask('blame', { query: { at: momentOf(at), root } })).body as Blame
  }

  /** What changed in a root type between two moments; `to` is now if it is left out. */
  async diff ({ from, to, root }: DiffQuery): Promise<Diff> {
    return (await this.#ask('diff', { query: { from: momentOf(from), to: momentOf(to), root } })).body as Diff
  }

  /** The same as a unified diff by lines, for people; empty if nothing differs. */
  async unifiedDiff ({ from, to, root }: DiffQuery): Promise<string> {
    const query = { from: momentOf(from), to: momentOf(to), root, format: 'text' }
    return (await this.#ask('diff', { query, as: 'text' })).body as string
  }

  /** Sessions of editing, the newest first. */
  async activity (query: ActivityQuery = {}): Promise<ActivityPage> {
    return (await this.#ask('activity', { query })).body as ActivityPage
  }

  /** Named versions, the newest first; with `automatic` where sessions of editing ended instead. */
  async versions ({ automatic }: { automatic?: boolean } = {}): Promise<Version[]> {
    return ((await this.#ask('versions', { query: { automatic } })).body as { versions: Version[] }).versions
  }

  /** All that a text or XML root ever was, to step through without asking again. */
  async replay ({ root }: { root?: string } = {}): Promise<Replay> {
    return (await this.#ask('replay', { query: { root } })).body as Replay
  }

  /** Names a seq. */
  async nameVersion (version: VersionKey & { meta?: unknown }): Promise<Version> {
    return (await this.#ask('versions', { method: 'POST', body: version })).body as Version
  }

  /** Gives a named version another label or `meta`. */
  async changeVersion ({ seq, label }: VersionKey, change: VersionChange): Promise<Version> {
    return (await this.#ask('versions', { method: 'PATCH', query: { seq, label }, body: change })).body as Version
  }

  /** Takes a name away; what the document was at that seq stays. */
  async removeVersion ({ seq, label }: VersionKey): Promise<void> {
    await this.#ask('versions', { method: 'DELETE', query: { seq, label } })
  }

  /** Goes back to a seq by one edit forward, which everybody gets. */
  async restore (to: number, options: RestoreOptions = {}): Promise<Restored> {
    return (await this.#ask('restore', { method: 'POST', body: { ...options, to } })).body as Restored
  }

  /** Makes a new room of this one: of its document, or with `history` of its whole timeline. Needs `write` in both. */
  async copy (to: string, { at, ...options }: CopyOptions = {}): Promise<Copied> {
    return (await this.#ask('copy', { method: 'POST', body: { ...options, to, at: momentOf(at) } })).body as Copied
  }

  /** Erases what was written, or whose it was, for good. Needs `admin`. Only tells what would happen, unless `dryRun` is false. */
  async erase (what: ErasedWish, { dryRun = true }: { dryRun?: boolean } = {}): Promise<Erased> {
    return (await this.#ask('erase', { method: 'POST', body: { ...what, dryRun } })).body as Erased
  }

  /** The erasure that has begun and not ended, if there is one. Needs `admin`. */
  async erasure (): Promise<PendingErasure | null> {
    return ((await this.#ask('erase', {})).body as { erasure: PendingErasure | null }).erasure
  }

  /** Gives up an erasure that has not rewritten all; whether there was one. What it has rewritten stays so. Needs `admin`. */
  async cancelErasure (): Promise<boolean> {
    return ((await this.#ask('erase', { method: 'DELETE' })).body as { cancelled: boolean }).cancelled
  }

  #ask (what: string, request: RestRequest): Promise<RestAnswer> { return this.#rest(`${pathOf(this.#room)}/${what}`, request) }
}

/** @internal Where the REST API has a room. */
export const pathOf = (room: string): string => `rooms/${room.split('/').map(encodeURIComponent).join('/')}`

const momentOf = (at: Moment | undefined): string | number | undefined => at instanceof Date ? at.toISOString() : at
