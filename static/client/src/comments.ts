// Comments on a shared document: the threads of a room as they are now, and places in a Yjs document that survive its edits. An entry of
// its own, so that who has no comments does not carry it.

import { emit, Emitter } from './emitter.js'
import { reasonOf, TuttiError } from './error.js'
import type { Room } from './room.js'
import type { AppEvent, CommentPage, CommentThread, EventName, HistoryPage, Saved } from './types.js'

export type { Comment, CommentPage, CommentQuery, CommentThread, Resolution } from './types.js'

/** So many threads are shown; of more, the newest are left out. */
const THREADS_MAX = 2_000
/** As many replies of a thread as the server tells. */
const REPLIES_MAX = 200
/** So many events may come while the threads are read; with more, they are read again. */
const EARLY_MAX = 1_000
/** So many pages are read of the threads, and of what they leave to the history. */
const PAGES_MAX = 100

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
  /** The entry up to which all threads were read. */
  #seq = 0
  /** The entry up to which each of them was, by its seq. */
  #told = new Map<number, number>()
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
      room.on('gap', () => { void this.reload() }),
      room.on('erased', ({ said }) => { if (said) void this.reload() })
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
    const read = await this.#read().catch((error: unknown) => { failure = error })
    // Another one has begun meanwhile.
    if (this.#early !== early) return
    if (read) [this.threads, this.#told, this.#seq] = [read.threads, read.told, read.seq]
    for (const event of [...read?.later ?? [], ...early]) this.#take(event)
    this.#early = null
    this.isLoading = false
    emit(this, 'change', {})
    if (failure) emit(this, 'error', failure instanceof TuttiError ? failure : new TuttiError('unknown', reasonOf(failure)))
  }

  async #read (): Promise<Reading> {
    const reading: Reading = { threads: new Map(), told: new Map(), seq: Infinity, later: [] }
    const { threads, told } = reading
    let isPartial = false
    try {
      let after: number | null = 0
      for (let pages = 0; after !== null && threads.size < THREADS_MAX && pages < PAGES_MAX; pages++) {
        const page: CommentPage = await this.#room.comments({ after, limit: 500 })
        reading.seq = Math.min(reading.seq, page.seq)
        isPartial ||= page.partial === true
        for (const thread of page.threads) {
          threads.set(thread.seq, thread)
          told.set(thread.seq, page.seq)
        }
        after = page.next
      }
      if (isPartial) reading.later = await this.#readLater(reading.seq)
    } catch (error) {
      // Nothing was said in it yet.
      if (!(error instanceof TuttiError && error.code === 'room_not_found')) throw error
      reading.seq = 0
    }
    return reading
  }

  /** What is too much for the pages of threads. */
  async #readLater (seq: number): Promise<AppEvent[]> {
    const later: AppEvent[] = []
    let after: number | null = seq
    for (let pages = 0; after !== null && pages < PAGES_MAX; pages++) {
      const { entries, next }: HistoryPage = await this.#room.history({ after, kind: 'event', limit: 1_000 })
      for (const { seq, author: user, at: timestamp, body } of entries) {
        const { type, name, payload, erased } = body as { type: EventName, name: string, payload?: unknown, erased?: true }
        if (type.startsWith('comment.')) later.push({ type, room: this.#room.name, user, name, timestamp, payload, seq, erased })
      }
      after = next
    }
    return later
  }

  #publish (type: string, payload: object, key?: string): Promise<Saved> {
    return (this.#room as Room<{ events: Record<string, unknown> }>).publish(type as never, payload as never, { key })
  }

  /** Takes an event, again if it was taken before; whether something is other than before. */
  #take ({ type, seq, user, name, timestamp: at, payload, erased }: AppEvent): boolean {
    if (seq === undefined || seq <= this.#seq || !isObject(payload)) return false
    const { text, quote, anchor, thread: number, resolved } = payload
    const comment = typeof text === 'string' && (text || erased) ? { seq, user, name, at, text, ...(erased && { erased }) } : null
    if (type === 'comment.created') {
      if (!comment || this.threads.has(seq) || this.threads.size >= THREADS_MAX) return false
      this.#told.set(seq, seq)
      this.#put({ ...comment, ...(typeof quote === 'string' && { quote }), anchor, replies: [] })
      return true
    }
    const thread = this.threads.get(number as number)
    if (!thread || seq <= this.#told.get(thread.seq)!) return false
    if (type === 'comment.replied') {
      const { replies, more = 0 } = thread
      if (!comment) return false
      this.#told.set(thread.seq, seq)
      this.#put(replies.length < REPLIES_MAX ? { ...thread, replies: [...replies, comment] } : { ...thread, more: more + 1 })
      return true
    }
    if (type !== 'comment.resolved') return false
    this.#told.set(thread.seq, seq)
    const { resolved: _before, ...open } = thread
    this.#put(resolved === false ? open : { ...open, resolved: { seq, user, name, at } })
    return true
  }

  #put (thread: CommentThread): void { this.threads = new Map(this.threads).set(thread.seq, thread) }
}

interface Reading { threads: Map<number, CommentThread>, told: Map<number, number>, seq: number, later: AppEvent[] }

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

/** What of a thread says where its text is. */
export interface Anchored { anchor?: unknown, quote?: string }

/**
 * Where a thread's text is now; null if it is gone. An anchor is lost where an editor writes its text anew, as at a restore, or where somebody
 * makes a paragraph a heading: then the quote finds it, if the document has it exactly once.
 *
 * @param root The Y.Text or Y.XmlFragment that the thread is about.
 */
export const placeOf = (Y: Yjs, doc: unknown, root: unknown, thread: Anchored): Range | null => finderOf(Y, doc, root)(thread)

/** As `placeOf`, for many threads: the document, as it is now, is read once. */
export function finderOf (Y: Yjs, doc: unknown, root: unknown): (thread: Anchored) => Range | null {
  let letters: Letters | undefined
  return ({ anchor, quote }) => anchored(Y, doc, anchor) ?? (quote ? (letters ??= new Letters(root as SharedType)).find(quote) : null)
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

/** Line ends, and what stands for anything that is no text: editors put different ones of them between paragraphs. */
const APART = /([\n\uFFFC]+)/

/** All letters of a shared type, and where they are. A quote may go from one paragraph to another. */
class Letters {
  #text = ''
  #runs: { at: number, type: SharedType, index: number }[] = []

  constructor (root: SharedType) {
    for (const type of textsOf(root)) {
      let [index, isApart] = [0, true]
      const parts = type.toDelta!().flatMap(({ insert }) => typeof insert === 'string' ? insert.split(APART) : ['\uFFFC'])
      for (const part of parts) {
        if (APART.test(part)) isApart = true
        else if (part) {
          if (isApart && this.#text) this.#text += '\n'
          this.#runs.push({ at: this.#text.length, type, index })
          this.#text += part
          isApart = false
        }
        index += part.length
      }
    }
  }

  /** Where they say that; null if they do not, or more than once. */
  find (quote: string): Range | null {
    const wanted = quote.split(APART).filter((part) => part && !APART.test(part)).join('\n')
    const at = wanted ? this.#text.indexOf(wanted) : -1
    if (at < 0 || this.#text.includes(wanted, at + 1)) return null
    const { type, index } = this.#place(at + wanted.length - 1)
    return { from: this.#place(at), to: { type, index: index + 1 } }
  }

  #place (at: number): Place {
    let [low, high] = [0, this.#runs.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#runs[middle]!.at <= at) low = middle
      else high = middle - 1
    }
    const run = this.#runs[low]!
    return { type: run.type, index: run.index + at - run.at }
  }
}

function * textsOf (type: SharedType): Generator<SharedType> {
  if (type.toDelta) yield type
  else for (const child of type.toArray?.() ?? []) yield * textsOf(child as SharedType)
}
