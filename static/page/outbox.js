// The messages of this window that the timeline does not hold yet. They outlive lost connections and a reload; each has an id that serves
// as its key, so that the server keeps one that was sent twice only once. Keys are those of a user: only the guest who wrote a message
// finds it again, not a duplicate of the tab, which is another guest. No DOM.

const CHARS_MAX = 4_000
/** How long another name waits for answers to what is on its way. */
const ANSWERS_TIMEOUT_MS = 30_000

/** @typedef {{ id: string, text: string, ms: number, state: 'sending' | 'saved' | 'failed', reason?: string }} Unseen */

/** Events: `change`. */
export class Outbox extends EventTarget {
  /** In the order in which they were written. @type {Unseen[]} */
  messages
  #document
  #guest
  #room = null
  /** What is on its way. @type {Set<Promise<void>>} */
  #sending = new Set()

  /** @param {string} document  @param {{ user: string }} guest */
  constructor (document, guest) {
    super()
    this.#document = document
    this.#guest = guest
    this.messages = this.#restore()
  }

  /** Sends through a room from now on, first what waits. @param {import('/tutti.js').Room} room */
  follow (room) {
    this.#room = room
    // They are the guest's as they are called now.
    if (this.messages.length > 0) this.#changed()
    for (const message of this.messages) if (message.state === 'sending') this.#send(message)
  }

  /**
   * Sends nothing more until it follows a room again, and waits for the answers to what is on its way: sent again under another name,
   * what the server has already would be said twice. @throws if they do not come
   */
  async pause () {
    this.#room = null
    const timeout = new Promise((_, reject) => setTimeout(reject, ANSWERS_TIMEOUT_MS, new Error('no answer')))
    await Promise.race([Promise.all(this.#sending), timeout])
  }

  write (text) {
    const message = { id: newId(), text: text.slice(0, CHARS_MAX), ms: Date.now(), state: 'sending' }
    this.messages.push(message)
    this.#changed()
    this.#send(message)
  }

  retry (id) {
    const message = this.messages.find((message) => message.id === id)
    message.state = 'sending'
    this.#changed()
    this.#send(message)
  }

  drop (id) { this.#remove((message) => message.id === id) }

  /** These are in the timeline. @param {Set<string>} ids */
  seen (ids) { this.#remove(({ id }) => ids.has(id)) }

  /** What is written while there is no room goes out through the next one. */
  #send (message) {
    const room = this.#room
    if (!room) return
    const sending = room.send(message.text, { payload: { id: message.id }, key: message.id }).then(
      () => this.#settle(message, 'saved'),
      (error) => { if (room === this.#room) this.#settle(message, 'failed', error.message) })
    this.#sending.add(sending)
    sending.finally(() => this.#sending.delete(sending))
  }

  get #storageKey () { return `tutti.unsent.${this.#document}` }

  #settle (message, state, reason) {
    Object.assign(message, { state, reason })
    this.#changed()
  }

  #remove (wanted) {
    const left = this.messages.filter((message) => !wanted(message))
    if (left.length === this.messages.length) return
    this.messages = left
    this.#changed()
  }

  #changed () {
    const messages = this.messages.filter(({ state }) => state !== 'saved').map(({ id, text, ms }) => ({ id, text, ms }))
    try {
      if (messages.length > 0) sessionStorage.setItem(this.#storageKey, JSON.stringify({ user: this.#guest.user, messages }))
      else sessionStorage.removeItem(this.#storageKey)
    } catch { /* forbidden or full: they live as long as the page */ }
    this.dispatchEvent(new Event('change'))
  }

  #restore () {
    try {
      const { user, messages } = JSON.parse(sessionStorage.getItem(this.#storageKey))
      return user === this.#guest.user ? messages.map((message) => ({ ...message, state: 'sending' })) : []
    } catch {
      return []
    }
  }
}

/** `crypto.randomUUID` would need https. */
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')
