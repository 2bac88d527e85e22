// Requests in the order in which they were made: those that wait, and those in flight until they are answered. Bounded.

import { errorFrom, TuttiError } from './error.js'
import { IN_FLIGHT_MAX } from './limits.js'
import type { AnswerMessage } from './wire.js'

export interface Request {
  id: string
  text: string
  bytes: number
  /** The room to which it goes, once that is joined. */
  room: { readonly isJoined: boolean } | undefined
  /** It carries a key or changes nothing. */
  isRepeatable: boolean
  resolve (answer: AnswerMessage): void
  reject (error: TuttiError): void
}

export class Queue {
  #countMax: number
  #bytesMax: number
  #waiting: Request[] = []
  #inFlight = new Map<string, Request>()
  #bytes = 0
  /** Slow after a refusal, faster with each answer. */
  #window = IN_FLIGHT_MAX

  constructor (countMax: number, bytesMax: number) {
    this.#countMax = countMax
    this.#bytesMax = bytesMax
  }

  get isEmpty (): boolean { return this.#waiting.length === 0 }

  add (request: Request): void {
    const isFull = this.#waiting.length + this.#inFlight.size >= this.#countMax || this.#bytes + request.bytes > this.#bytesMax
    if (isFull) return request.reject(new TuttiError('queue_full', 'too many messages wait for their acknowledgement', { temporary: true }))
    this.#bytes += request.bytes
    this.#waiting.push(request)
  }

  /** Hands out the next that may be sent; it is in flight from now on. */
  next (): Request | undefined {
    if (this.#inFlight.size >= this.#window) return undefined
    const index = this.#waiting.findIndex(({ room }) => !room || room.isJoined)
    const [request] = index < 0 ? [] : this.#waiting.splice(index, 1)
    if (request) this.#inFlight.set(request.id, request)
    return request
  }

  /** Settles the request that `message` answers. @returns whether it answers one. */
  answer (message: AnswerMessage): boolean {
    const request = this.#inFlight.get(message.requestId ?? '')
    if (!request) return false
    this.#forget(request)
    this.#inFlight.delete(request.id)
    this.#window = Math.min(IN_FLIGHT_MAX, this.#window + 1)
    if (message.type === 'error') request.reject(errorFrom(message))
    else request.resolve(message)
    return true
  }

  /** The server refused a request for now: it waits again. @returns whether there is such a request and it may be repeated. */
  putBack (requestId: string): boolean {
    const request = this.#inFlight.get(requestId)
    if (!request?.isRepeatable) return false
    this.#inFlight.delete(requestId)
    this.#wait([request])
    this.#window = 1
    return true
  }

  /** The connection is lost: whether what was in flight arrived is not known. */
  lose (): void {
    const lost = [...this.#inFlight.values()]
    this.#inFlight.clear()
    this.#window = IN_FLIGHT_MAX
    this.#wait(lost.filter(({ isRepeatable }) => isRepeatable))
    for (const request of lost) {
      if (request.isRepeatable) continue
      this.#forget(request)
      request.reject(new TuttiError('connection_lost', 'the connection was lost before the answer', { temporary: true }))
    }
  }

  /** Gives up what waits and is `wanted`. */
  reject (wanted: (request: Request) => boolean, error: TuttiError): void {
    const rejected = this.#waiting.filter(wanted)
    this.#waiting = this.#waiting.filter((request) => !wanted(request))
    for (const request of rejected) {
      this.#forget(request)
      request.reject(error)
    }
  }

  #wait (requests: Request[]): void { this.#waiting = [...requests, ...this.#waiting].sort((a, b) => Number(a.id) - Number(b.id)) }

  #forget (request: Request): void { this.#bytes -= request.bytes }
}
