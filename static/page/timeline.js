// The room's timeline in this window: the newest entries and older ones on demand by REST, everything since by the socket, in one order.
// Knows rooms and rows; no DOM.

import { itemOfEntry, itemOfEvent, joinRows, rowsOf } from './timeline-rows.js'

const PAGE_ENTRIES = 200
/** A page may hold one row of edits only: one request for older entries reads on until there is something to see. */
const PAGES_A_STEP_MAX = 5
const ROWS_A_STEP = 12
/** Older rows are let go past this, and read again on demand. */
const ROWS_MAX = 1_000

/** Events: `change` (see the fields) and `message`, with the item of one that has just been written as `detail`. */
export class Timeline extends EventTarget {
  /** @type {import('./timeline-rows.js').Row[]} */
  rows = []
  /** @type {'loading' | 'shown' | 'failed'} `failed`: older entries could not be read. */
  state = 'loading'
  isAsking = false
  failure = ''
  /** The seq before which entries stand that were not read yet; null: none do, or it is not known where we are. */
  #before = null
  #room

  get hasOlder () { return this.#before !== null }

  /** The last entry that was seen, to follow another room object from; null before the first join. */
  get seq () { return this.#room?.seq ?? null }

  /** Follows a room, whose client asks for edits, from now on. @param {import('/tutti.js').Room} room */
  follow (room) {
    const isNew = !this.#room
    this.#room = room
    for (const kind of ['message', 'edit', 'steps', 'event']) {
      room.on(kind, (event) => { if (room === this.#room && event.seq !== undefined) this.#add(itemOfEvent(kind, event)) })
    }
    let isBegun = !isNew
    room.on('joined', ({ seq }) => {
      if (!isBegun) this.#begin(seq)
      else if (this.state === 'failed') this.readOlder()
      isBegun = true
    })
    // Too much to be told one by one, or the server was set back: what we have is no longer the end of the timeline.
    room.on('gap', ({ seq }) => { if (room === this.#room) this.#begin(seq) })
    room.on('erased', ({ seq, said }) => { if (room === this.#room && said) this.#begin(seq) })
  }

  #begin (seq) {
    this.rows = []
    // In an empty timeline there is nothing to ask for.
    this.#before = seq > 0 ? seq + 1 : null
    this.state = this.hasOlder ? 'loading' : 'shown'
    this.dispatchEvent(new Event('change'))
    this.readOlder()
  }

  #add (item) {
    this.rows = joinRows(this.rows, rowsOf([item]))
    if (this.rows.length > ROWS_MAX) {
      this.rows = this.rows.slice(-ROWS_MAX)
      this.#before = this.rows[0].fromSeq
    }
    this.dispatchEvent(new Event('change'))
    if (item.kind === 'message') this.dispatchEvent(new CustomEvent('message', { detail: item }))
  }

  /** Reads a step further back. One request at a time: pages that overlap would count edits twice. */
  async readOlder () {
    if (this.isAsking || !this.hasOlder) return
    this.isAsking = true
    this.dispatchEvent(new Event('change'))
    try {
      const wanted = this.rows.length + ROWS_A_STEP
      for (let page = 0; page < PAGES_A_STEP_MAX && this.hasOlder && this.rows.length < wanted; page++) await this.#readPage()
      this.state = 'shown'
    } catch (error) {
      this.state = 'failed'
      this.failure = error.message
    } finally {
      this.isAsking = false
      this.dispatchEvent(new Event('change'))
    }
  }

  async #readPage () {
    const before = this.#before
    const { entries, next } = await this.#room.history({ before, limit: PAGE_ENTRIES })
    // Meanwhile the timeline may have begun anew, or old rows have been let go.
    if (before !== this.#before) return
    this.rows = joinRows(rowsOf(entries.map(itemOfEntry)), this.rows)
    this.#before = next
  }
}
