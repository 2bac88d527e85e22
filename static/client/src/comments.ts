// Comments on a shared document: the threads of a room as they are now, and places in a Yjs document that survive its edits. An entry of
// its own, so that who has no comments does not carry it.

import { emit, Emitter } from './emitter.js'
import { reasonOf, TuttiError } from './error.js'
import type { Room } from './room.js'
import type { AppEvent, CommentThread, Saved } from './types.js'

export type { Comment, CommentPage, CommentQuery, CommentThread, Resolution } from './types.js'

/** So many threads are shown; of more, the newest are left out. */
const THREADS_MAX = 2_000
/** As many replies of a thread as the server tells. */
const REPLIES_MAX = 200
/** So many events may come while the threads are read; with more, they are read again. */
const EARLY_MAX = 1_000

export interface CommentsEvents {
  /** The threads are others than before. */
  change: object
  /** They cannot be read; they are asked for again at the next reconnect, or by `reload()`. */
  error: TuttiError
}

export interface NewComment {
  text: string
  /** The text that it is about. */
  quote?: string
  /** Its place, from `anchorOf` or of your own. */
  anchor?: unknown
  /** Sent again with the same key, it is stored once. */
  key?: string
}

/** The threads of a room, read once and then kept up with what is said. Made by `watchComments`. */
export class Comments extends Emitter<CommentsEvents> {
  /** By seq, the oldest first. */
  threads: ReadonlyMap<number, CommentThread> = new Map()
  isLoading = true
  #room: Room<object>
  /** The entry up to which the threads were read. */
  #seq = 0
  /** What has come by socket while the threads are read. */
  #early: AppEvent[] | null = null
  #stops: (() => void)[]

  /** @internal */
  constructor (room: Room<object>) {
    super()
    this.#room = room
    const onEvent = (event: AppEvent): void => {
      if (!event.type.startsWith('comment.')) return
      if (!this.#early) {
        if (this.#take(event)) emit(this, 'change', {})
      } else if (this.#early.push(event) > EARLY_MAX) void this.reload()
    }
    this.#stops = [
      room.on('event', onEvent as (event: object) => void),
      // Without `since`, nothing of the time before the first join comes by socket.
      room.on('joined', () => { if (!this.#early) void this.reload() }),
      room.on('gap', () => { void this.reload() })
    ]
    if (room.isJoined) void this.reload()
  }

  /** Begins a thread; its name is the `seq` of the answer, once it is committed. */
  create ({ text, quote, anchor, key }: NewComment): Promise<Saved> { return this.#publish('comment.created', { text, quote, anchor }, key) }

  reply (thread: number, text: string, { key }: { key?: string } = {}): Promise<Saved> { return this.#publish('comment.replied', { thread, text }, key) }

  /** Says that a thread is done, or open again. */
  resolve (thread: number, isResolved = true): Promise<Saved> {
    return this.#publish('comment.resolved', isResolved ? { thread } : { thread, resolved: false })
  }

  stop (): void { for (const stop of this.#stops.splice(0)) stop() }

  /** Reads them all anew. */
  async reload (): Promise<void> {
    const early: AppEvent[] = this.#early = []
    this.isLoading = true
    let failure: unknown = null
    const threads = await this.#read().catch((error: unknown) => { failure = error })
    // Another one has begun meanwhile.
    if (this.#early !== early) return
    if (threads) this.threads = threads
    for (const event of early) this.#take(event)
    this.#early = null
    this.isLoading = false
    emit(this, 'change', {})
    if (failure) emit(this, 'error', failure instanceof TuttiError ? failure : new TuttiError('unknown', reasonOf(failure)))
  }

  async #read (): Promise<Map<number, CommentThread>> {
    const threads = new Map<number, CommentThread>()
    try {
      for (let after = 0; threads.size < THREADS_MAX;) {
        const page = await this.#room.comments({ after, limit: 500 })
        if (after === 0) this.#seq = page.seq
        for (const thread of page.threads) threads.set(thread.seq, thread)
        if (page.next === null) break
        after = page.next
      }
    } catch (error) {
      // Nothing was said in it yet.
      if (!(error instanceof TuttiError && error.code === 'room_not_found')) throw error
    }
    return threads
  }

  #publish (type: string, payload: object, key?: string): Promise<Saved> {
    return (this.#room as Room<{ events: Record<string, unknown> }>).publish(type as never, payload as never, { key })
  }

  /** Takes an event, again if it was taken before; whether something is other than before. */
  #take ({ type, seq, user, name, timestamp: at, payload }: AppEvent): boolean {
    if (seq === undefined || seq <= this.#seq || !isObject(payload)) return false
    const { text, quote, anchor, thread: number, resolved } = payload
    const comment = typeof text === 'string' && text ? { seq, user, name, at, text } : null
    if (type === 'comment.created') {
      if (!comment || this.threads.has(seq) || this.threads.size >= THREADS_MAX) return false
      this.#put({ ...comment, ...(typeof quote === 'string' && { quote }), anchor, replies: [] })
      return true
    }
    const thread = this.threads.get(number as number)
    if (!thread) return false
    if (type === 'comment.replied') {
      const { replies, more = 0 } = thread
      if (!comment || replies.some((reply) => reply.seq === seq)) return false
      this.#put(replies.length < REPLIES_MAX ? { ...thread, replies: [...replies, comment] } : { ...thread, more: more + 1 })
      return true
    }
    if (type !== 'comment.resolved') return false
    const { resolved: _before, ...open } = thread
    this.#put(resolved === false ? open : { ...open, resolved: { seq, user, name, at } })
    return true
  }

  #put (thread: CommentThread): void { this.threads = new Map(this.threads).set(thread.seq, thread) }
}

/** The comments of a room of `tutti.room()`. */
export const watchComments = (room: Room<never> | Room<object>): Comments => new Comments(room as Room<object>)

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** As much of `import * as Y from 'yjs'` as anchors need. */
export interface Yjs {
  createRelativePositionFromTypeIndex (type: never, index: number, assoc?: number): unknown
  createRelativePositionFromJSON (json: never): unknown
  createAbsolutePositionFromRelativePosition (position: never, doc: never): { type: unknown, index: number } | null
  relativePositionToJSON (position: never): unknown
}

/** A place in a document: a shared text, and where in it. */
export interface Place<Text = unknown> { type: Text, index: number }
/** From before the first character to behind the last one; these may be in two texts. */
export interface Range<Text = unknown> { from: Place<Text>, to: Place<Text> }
/** A range that survives edits, as JSON. */
export interface Anchor { from: unknown, to: unknown }

/** The anchor of what is there: of the first character and of the last one. */
export function anchorOf (Y: Yjs, { from, to }: Range): Anchor {
  const json = ({ type, index }: Place, assoc: number): unknown =>
    Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(type as never, index, assoc) as never)
  return { from: json(from, 0), to: json(to, -1) }
}

/** As much of a shared type as a search needs. */
interface SharedType { toDelta? (): { insert: unknown }[], toArray? (): unknown[], _item?: { deleted: boolean, parent: unknown } | null }

/**
 * Where a thread's text is now; null if it is gone. An anchor is lost where an editor writes its text anew, as at a restore, or where somebody
 * makes a paragraph a heading: then the quote finds it, if the document has it exactly once.
 *
 * @param root The Y.Text or Y.XmlFragment that the thread is about.
 */
export function placeOf (Y: Yjs, doc: unknown, root: unknown, { anchor, quote }: { anchor?: unknown, quote?: string }): Range | null {
  return anchored(Y, doc, anchor) ?? (quote ? quoted(root as SharedType, quote) : null)
}

function anchored (Y: Yjs, doc: unknown, anchor: unknown): Range | null {
  if (!isObject(anchor) || !isObject(anchor.from) || !isObject(anchor.to)) return null
  const place = (json: unknown): Place | null => {
    const found = Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(json as never) as never, doc as never)
    return found && isIn(found.type) ? { type: found.type, index: found.index } : null
  }
  try {
    const [from, to] = [place(anchor.from), place(anchor.to)]
    return from && to && (from.type !== to.type || from.index < to.index) ? { from, to } : null
  } catch {
    // Whatever its author took for one.
    return null
  }
}

/** Whether a type and all that it stands in is still in the document. */
function isIn (type: unknown): boolean {
  for (let item = (type as SharedType)._item; item; item = (item.parent as SharedType)._item) if (item.deleted) return false
  return true
}

function quoted (root: SharedType, quote: string): Range | null {
  let found: Range | null = null
  for (const type of textsOf(root)) {
    const text = type.toDelta!().map(({ insert }) => typeof insert === 'string' ? insert : '\uFFFC').join('')
    for (let index = text.indexOf(quote); index >= 0; index = text.indexOf(quote, index + 1)) {
      if (found) return null
      found = { from: { type, index }, to: { type, index: index + quote.length } }
    }
  }
  return found
}

function * textsOf (type: SharedType): Generator<SharedType> {
  if (type.toDelta) yield type
  else for (const child of type.toArray?.() ?? []) yield * textsOf(child as SharedType)
}
