// One document's connection to the server: joining with the guest's token, coming back after a loss, and stopping where the server
// said that coming back is pointless. Knows close codes and the provider; no DOM, no editor.

import { WebsocketProvider } from 'y-websocket'
import { readVarString, readVarUint } from 'lib0/decoding'
import { ROOM_PREFIX } from './api.js'
import { watchSaved } from './saved.js'

const MESSAGE_AUTH = 2
const CLOSE_UNAUTHORIZED = 4401
const CLOSE_TOKEN_EXPIRED = 4504
const RENEW_RETRY_MS = 2_000

/** What a final close code means to the person at the screen. */
const DENIALS = {
  4401: 'We could not tell who you are',
  4403: 'This document is not open to you',
  4404: 'This document was deleted',
  4413: 'This document has grown too large',
  4422: 'The server could not accept an edit'
}

/**
 * Events: `status` (see `state`), `saved` (see `saved`), `refused` (the server refused an edit and the connection goes on: the document may only be read).
 */
export class Connection extends EventTarget {
  /** @type {'connecting' | 'live' | 'offline' | 'denied'} */
  state = 'connecting'
  /** @type {'saved' | 'saving' | 'unsaved'} */
  saved = 'saved'
  /** Why the server closed for good. @type {{ title: string, reason: string } | null} */
  denial = null
  #reason = ''
  #hasTriedNewToken = false
  #retry = 0
  #isClosed = false
  #watch

  /** @param {{ document: string, doc: import('yjs').Doc, guest: import('./guest.js').Guest, isDirty: boolean }} options */
  constructor ({ document, doc, guest, isDirty }) {
    super()
    this.guest = guest
    this.provider = new WebsocketProvider(`${location.origin.replace(/^http/, 'ws')}/yjs`, ROOM_PREFIX + document, doc, {
      connect: false,
      // Windows of one browser would show each other what the server has not seen.
      disableBc: true,
      shouldReconnect: ({ code }) => this.#isWorthANewToken(code) || !(code >= 4400 && code < 4500)
    })
    this.awareness = this.provider.awareness
    this.#readDenials()
    this.#watch = watchSaved(this.provider, {
      isDirty,
      changed: (saved) => {
        this.saved = saved
        this.dispatchEvent(new Event('saved'))
      }
    })
    this.provider.on('status', ({ status }) => { if (status === 'disconnected') this.#enter('offline') })
    this.provider.on('connection-error', () => this.#enter('offline'))
    this.provider.on('sync', (isSynced) => { if (isSynced) this.#onSynced() })
    this.provider.on('connection-close', (event) => { if (event && this.#isWorthANewToken(event.code)) this.#comeBackWithNewToken(event.code) })
    this.provider.on('closed', ({ code, reason }) => {
      const title = DENIALS[code] ?? 'The server closed this document'
      this.denial = { title, reason: reason || this.#reason || `Close code ${code}.` }
      this.#enter('denied')
    })
    guest.addEventListener('token', this.#useToken)
    window.addEventListener('online', this.#hurry)
    this.#useToken()
    this.provider.connect()
  }

  get isDirty () { return this.#watch.isDirty }

  close () {
    this.#isClosed = true
    clearTimeout(this.#retry)
    this.guest.removeEventListener('token', this.#useToken)
    window.removeEventListener('online', this.#hurry)
    this.#watch.stop()
    this.provider.destroy()
    this.awareness.destroy()
  }

  /** The token travels as a subprotocol, never in a URL; the provider reads the list at each new connection. */
  #useToken = () => { this.provider.protocols = ['tutti.v1', `auth.${this.guest.token}`] }

  #hurry = () => { if (this.provider.shouldConnect) this.provider.connect() }

  #onSynced () {
    this.#hasTriedNewToken = false
    this.#enter('live')
  }

  /** A key changed on the server ends every token once; a guest who is still unknown with a new one is denied. */
  #isWorthANewToken (code) {
    return code === CLOSE_TOKEN_EXPIRED || (code === CLOSE_UNAUTHORIZED && !this.#hasTriedNewToken)
  }

  #comeBackWithNewToken (code) {
    this.provider.shouldConnect = false
    const renew = () => this.guest.renew().then(
      () => {
        if (this.#isClosed) return
        this.#hasTriedNewToken = code === CLOSE_UNAUTHORIZED
        this.provider.connect()
      },
      () => { if (!this.#isClosed) this.#retry = setTimeout(renew, RENEW_RETRY_MS) }
    )
    const hasJustFailed = this.provider.wsUnsuccessfulReconnects > 0
    this.#retry = setTimeout(renew, hasJustFailed ? RENEW_RETRY_MS : 0)
  }

  #readDenials () {
    this.provider.messageHandlers[MESSAGE_AUTH] = (_encoder, decoder) => {
      if (readVarUint(decoder) !== 0) return
      this.#reason = readVarString(decoder)
      if (this.provider.synced) this.dispatchEvent(new Event('refused'))
    }
  }

  #enter (state) {
    if (this.#isClosed || state === this.state || this.state === 'denied') return
    this.state = state
    this.dispatchEvent(new Event('status'))
  }
}
