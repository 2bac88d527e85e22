// A connection by an event stream and requests, where no WebSocket gets through. To who uses it, it is a WebSocket.

import { bytesFromBase64, bytesOf } from './encoding.js'
import { BATCH_MAX, CLOSED_BY_APP, FRAME_BYTES_MAX, LOST, RETRY_MS, UNAUTHORIZED } from './limits.js'
import type { Socket, Token } from './types.js'

/** How long the last things that were said may take after the app has closed. */
const FAREWELL_MS = 5_000
/** What is said has one of so many keys, more than a stream remembers; a browser asks of each once whether a page may use it. */
const KEYS = 100

export class StreamSocket implements Socket {
  binaryType = 'arraybuffer'
  bufferedAmount = 0
  onmessage: Socket['onmessage'] = null
  onclose: Socket['onclose'] = null
  onerror: Socket['onerror'] = null
  #url: string
  /** The newest one: a renewed token is that of all further requests. */
  #token: () => Token
  #aborting = new AbortController()
  #clientId = ''
  #waiting: (string | Uint8Array)[] = []
  #said = 0
  #isSending = false
  #isClosing = false
  /** Who types, which goes by requests of its own: no message waits for it. */
  #typing: string[] = []
  #typingRequest: AbortController | null = null

  /** @param url Of `api/v1/events`. */
  constructor (url: string, token: () => Token) {
    this.#url = url
    this.#token = token
    this.#read().catch(() => this.#end(LOST, ''))
  }

  send (data: string | Uint8Array): void {
    if (isTyping(data)) return void this.#sayTyping(data as string)
    // What was said of typing before is over with that.
    if (typeof data === 'string' && data.includes('"typing.stopped"')) this.#dropTyping()
    this.bufferedAmount += sizeOf(data)
    this.#waiting.push(data)
    this.#sendAll()
  }

  close (code?: number): void {
    this.onmessage = this.onclose = null
    this.#isClosing = true
    this.#dropTyping()
    if (code !== CLOSED_BY_APP || !this.#clientId) return this.#aborting.abort()
    setTimeout(() => this.#aborting.abort(), FAREWELL_MS)
    this.#sendAll()
  }

  async #read (): Promise<void> {
    const response = await this.#fetch('GET', '')
    if (!response.ok || !response.body) {
      const { error } = await response.json().catch(() => ({})) as { error?: { message: string } }
      return this.#end(response.status === 401 ? UNAUTHORIZED : LOST, error?.message ?? '')
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
      const blocks = (text + value).split('\n\n')
      text = blocks.pop()!
      blocks.forEach((block) => this.#take(block))
    }
    this.#end(LOST, '')
  }

  #take (block: string): void {
    let name = ''
    const lines: string[] = []
    for (const line of block.split('\n')) {
      if (line.startsWith('event: ')) name = line.slice(7)
      else if (line.startsWith('data: ')) lines.push(line.slice(6))
    }
    const data = lines.join('\n')
    if (name === 'close') {
      const { code, reason } = JSON.parse(data) as { code: number, reason: string }
      return this.#end(code, reason)
    }
    if (name === 'welcome') this.#clientId = (JSON.parse(data) as { clientId: string }).clientId
    // A comment has no data.
    if (data) this.onmessage?.({ data: name === 'binary' ? bytesFromBase64(data).buffer : data })
    this.#sendAll()
  }

  /** Says what waits, one request after another: what is said at the same time may arrive in any order. */
  async #sendAll (): Promise<void> {
    if (this.#isSending || !this.#clientId) return
    this.#isSending = true
    try {
      while (this.#waiting.length > 0 && !this.#aborting.signal.aborted) await this.#say(this.#next(), (this.#said += 1) % KEYS)
      if (this.#isClosing) await this.#fetch('DELETE', `/${this.#clientId}`).finally(() => this.#aborting.abort())
    } catch {
      // Nobody knows whether it arrived. Whatever must be stored once has a key.
      this.#end(LOST, '')
    }
    this.#isSending = false
  }

  /** Says who types, one request after another. It may be lost, as any signal. */
  async #sayTyping (text: string): Promise<void> {
    if (this.#typing.push(text) > BATCH_MAX) this.#typing.shift()
    if (this.#typingRequest || !this.#clientId) return
    while (this.#typing.length > 0 && !this.#aborting.signal.aborted) {
      this.#typingRequest = new AbortController()
      const said = this.#typing.splice(0)
      await this.#fetch('POST', `/${this.#clientId}`, said.length === 1 ? said[0] : `[${said.join(',')}]`, this.#typingRequest.signal).catch(() => {})
    }
    this.#typingRequest = null
  }

  #dropTyping (): void {
    this.#typing = []
    this.#typingRequest?.abort()
  }

  async #say (data: string | Uint8Array, key: number): Promise<void> {
    const { status } = await this.#fetch('POST', `/${this.#clientId}?key=${key}`, data)
    if (status === 503 || status === 429) {
      // It may have been heard: under the same key it is not heard again.
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      return this.#aborting.signal.aborted ? undefined : this.#say(data, key)
    }
    if (status >= 400) this.#end(status === 401 ? UNAUTHORIZED : LOST, '')
    else this.bufferedAmount -= sizeOf(data)
  }

  /** The next thing to say: what is single goes together. */
  #next (): string | Uint8Array {
    const first = this.#waiting.shift()!
    const batch = [first]
    let bytes = sizeOf(first)
    while (isSingle(first) && batch.length < BATCH_MAX && isSingle(this.#waiting[0])) {
      bytes += sizeOf(this.#waiting[0]) + 1
      if (bytes + 2 > FRAME_BYTES_MAX) break
      batch.push(this.#waiting.shift()!)
    }
    if (batch.length === 1) return first
    this.bufferedAmount += batch.length + 1
    return `[${batch.join(',')}]`
  }

  #fetch (method: string, path: string, body?: string | Uint8Array, signal = this.#aborting.signal): Promise<Response> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.#token()}` }
    if (body !== undefined) headers['content-type'] = typeof body === 'string' ? 'application/json' : 'application/octet-stream'
    return fetch(this.#url + path, { method, headers, body: body as BodyInit, signal, cache: 'no-store' })
  }

  #end (code: number, reason: string): void {
    this.#aborting.abort()
    this.#dropTyping()
    this.onclose?.({ code, reason })
    this.onclose = null
  }
}

const sizeOf = (data: string | Uint8Array): number => typeof data === 'string' ? bytesOf(data) : data.length
const isTyping = (data: string | Uint8Array): boolean => typeof data === 'string' && data.startsWith('{"type":"typing.')
const isSingle = (data: string | Uint8Array | undefined): data is string => typeof data === 'string' && data.startsWith('{')
