// Someone at an editor who types marks all the time, online or not, and notes which of them the server acknowledged. The provider
// is unmodified; what it sends and receives is only overheard.

import { Client } from '../clients/support/client.mjs'
import { barrier, isSame } from '../clients/support/frames.mjs'
import { until } from '../clients/support/until.mjs'
import { mark, markLength } from './marks.mjs'
import { Y } from './packages.mjs'

const pauseMs = { first: 5, last: 90 }
const burstPercent = 10
const burstMarksMax = 8
const backOffMs = 150
/** A barrier is asked for again if it does not return: a server that must refuse for now forgets it. */
const barrierEveryMs = 250

const key = (bytes) => Buffer.from(bytes).toString('latin1')
const isUpdate = (bytes) => bytes[0] === 0 && bytes[1] === 2

export class Typist {
  /** How many marks were typed; mark i has the clocks from i × markLength. */
  typed = 0
  /** The numbers of acknowledged marks. */
  acknowledged = new Set()
  /** Opened connections. */
  connections = 0
  /** Close codes of opened connections that the server ended, and how often. */
  closings = new Map()
  #random
  #timer = null
  #connection = null
  #typing = null
  #hasLeft = false
  #onEnd

  /** `onEnd(typist, code)` hears of each connection that the server ends, at once. */
  constructor(server, { number, room, version, random, onEnd }) {
    this.number = number
    this.room = room
    this.#random = random
    this.#onEnd = onEnd
    const doc = new Y.Doc()
    doc.clientID = random.clientId()
    this.client = new Client(server, { version, room, doc, as: server.token({ sub: `typist-${number}` }) })
    const { provider } = this.client
    provider.maxBackoffTime = backOffMs
    // The provider emits this once its new socket stands, and the first one stood before anybody could listen.
    provider.on('status', ({ status }) => status === 'connecting' && this.#overhear(provider.ws))
    this.#overhear(provider.ws)
  }

  get clientId() {
    return this.client.doc.clientID
  }

  get unacknowledged() {
    return this.typed - this.acknowledged.size
  }

  /** How many marks were sent on the open connection and are not acknowledged. */
  get inFlight() {
    return [...this.#connection.sent.values()].filter((number) => !this.acknowledged.has(number)).length
  }

  /** Whether the provider is connected and knows all that the server knew. */
  get isSynced() {
    return this.client.provider.synced
  }

  mark(number) {
    return mark(this.number, number)
  }

  /** Types until `stop`. */
  start() {
    this.#timer = setTimeout(() => {
      const marks = this.#random.happens(burstPercent) ? this.#random.between(2, burstMarksMax) : 1
      for (let i = 0; i < marks; i += 1) this.#type()
      this.#askBarrier()
      this.start()
    }, this.#random.between(pauseMs.first, pauseMs.last))
  }

  stop() {
    clearTimeout(this.#timer)
  }

  close() {
    this.#hasLeft = true
    this.stop()
    this.client.close()
  }

  /** Waits until everything that was typed is acknowledged. */
  async settled() {
    const state = () => ({ isSynced: this.isSynced, unacknowledged: this.unacknowledged, closings: [...this.closings] })
    const isSettled = () => {
      this.#askBarrier()
      return this.unacknowledged === 0
    }
    await until(isSettled, `typist ${this.number} is acknowledged`, { withinMs: 120_000, state })
  }

  #type() {
    const { text } = this.client
    this.#typing = this.typed
    this.typed += 1
    // Between two marks, never within one.
    this.client.type(this.mark(this.#typing), this.#random.between(0, text.length / markLength) * markLength)
    this.#typing = null
  }

  /**
   * Once synced, the provider has answered the server's Step1, so all that was typed until now is on this connection or was
   * on the server already: a barrier that returns acknowledges it.
   */
  #askBarrier() {
    const connection = this.#connection
    const { ws } = this.client.provider
    const isDue = Date.now() - connection.askedAt >= barrierEveryMs
    if (!this.isSynced || this.unacknowledged === 0 || !isDue || ws.readyState !== ws.OPEN) return
    connection.askedAt = Date.now()
    connection.barriers.push(this.typed)
    ws.send(barrier)
  }

  #overhear(ws) {
    const connection = { sent: new Map(), barriers: [], askedAt: 0, isOpen: false }
    this.#connection = connection
    const send = ws.send.bind(ws)
    ws.send = (frame, ...rest) => {
      if (this.#typing !== null && isUpdate(frame)) connection.sent.set(key(frame), this.#typing)
      send(frame, ...rest)
    }
    ws.on('open', () => {
      connection.isOpen = true
      this.connections += 1
    })
    ws.on('frame', (frame) => isUpdate(frame) && this.#hear(connection, frame))
    ws.on('close', (code) => {
      if (!connection.isOpen || this.#hasLeft) return
      this.closings.set(code, (this.closings.get(code) ?? 0) + 1)
      this.#onEnd(this, code)
    })
  }

  #hear(connection, frame) {
    if (isSame(frame, barrier)) {
      // If one was forgotten, this is a later one's return, and claims less than it might.
      const end = connection.barriers.shift() ?? 0
      for (let number = 0; number < end; number += 1) this.acknowledged.add(number)
      return
    }
    const sent = key(frame)
    if (!connection.sent.has(sent)) return
    this.acknowledged.add(connection.sent.get(sent))
    connection.sent.delete(sent)
  }
}
