// Who this window is: its name, its token, and their renewal. A window keeps its guest over a reload; another window of the same
// browser is another guest. Only the name chosen last is remembered for the whole browser, as a suggestion.

import { requestToken } from './api.js'
import { randomGuestName } from './names.js'

/** A window that may only view is another guest than one that may edit. */
const GUEST_KEYS = { write: 'tutti.guest', read: 'tutti.guest.view' }
const NAME_KEY = 'tutti.name'
const RENEW_BEFORE_MS = 60_000
const TIMER_MS_MAX = 2 ** 31 - 1
/** How long a page waits for the one it replaces to let go of the guest. A reloaded one can tell that it is no duplicate, and waits longer. */
const CLAIM_TIMEOUT_MS = 400
const CLAIM_AFTER_RELOAD_MS = 10_000
/** A token this young was made for the attempt that asks for one. */
const FRESH_MS = 5_000

/** Browsers may forbid storage altogether; the guest then lives as long as the page. */
const read = (storage, key) => { try { return JSON.parse(window[storage].getItem(key)) } catch { return null } }
const write = (storage, key, value) => { try { window[storage].setItem(key, JSON.stringify(value)) } catch { /* as above */ } }

/**
 * A duplicated tab starts with a copy of the other tab's storage, guest included. A lock held for the life of the page tells the
 * two apart; without secure context there are no locks, and both tabs are one guest.
 */
async function claim (user) {
  if (!navigator.locks) return true
  const isReloaded = performance.getEntriesByType('navigation')[0]?.type === 'reload'
  const signal = AbortSignal.timeout(isReloaded ? CLAIM_AFTER_RELOAD_MS : CLAIM_TIMEOUT_MS)
  return new Promise((resolve) => {
    navigator.locks
      .request(`tutti.guest.${user}`, { signal }, () => {
        resolve(true)
        return new Promise(() => {})
      })
      .catch(() => resolve(false))
  })
}

/** The name chosen last in this browser, unless another of its windows goes by it now. */
async function suggestedName () {
  const chosen = read('localStorage', NAME_KEY)
  const { held = [] } = await navigator.locks?.query() ?? {}
  return chosen && !held.some(({ name }) => name.startsWith(`tutti.guest.${chosen}~`)) ? chosen : randomGuestName()
}

/** Gets a token for this window. @param {'read' | 'write'} [access] @throws {import('./api.js').ApiError} */
export async function enter (access = 'write') {
  let stored = read('sessionStorage', GUEST_KEYS[access])
  if (stored && !await claim(stored.user)) stored = null
  const guest = new Guest(stored ?? { name: await suggestedName() }, access)
  await guest.renew()
  if (guest.user !== stored?.user) await claim(guest.user)
  return guest
}

class Guest extends EventTarget {
  #timer = 0
  #renewal = null
  #grantedAtMs = 0

  constructor (stored, access) {
    super()
    this.access = access
    this.name = stored.name
    this.user = stored.user
    this.token = stored.token
    this.expiresAtMs = 0
  }

  /** A token for a new connection: no key that the server may have given up, no time that runs out soon. */
  async freshToken () {
    if (Date.now() - this.#grantedAtMs > FRESH_MS) await this.renew()
    return this.token
  }

  /** Takes a fresh token and stays the same user. Calls that meet share one request; a change of token is announced as `token`. */
  renew () {
    this.#renewal ??= requestToken(this.name, this.token, this.access)
      .then((granted) => this.#accept(granted))
      .finally(() => { this.#renewal = null })
    return this.#renewal
  }

  /** Takes another name. History is kept by user, so a new name is a new user. */
  async rename (name) {
    this.#accept(await requestToken(name, undefined, this.access))
    write('localStorage', NAME_KEY, this.name)
    await claim(this.user)
  }

  #accept ({ token, user, name, expiresAt }) {
    Object.assign(this, { token, user, name, expiresAtMs: Date.parse(expiresAt) })
    this.#grantedAtMs = Date.now()
    write('sessionStorage', GUEST_KEYS[this.access], { token, user, name })
    this.#renewIn(this.expiresAtMs - Date.now() - RENEW_BEFORE_MS)
    this.dispatchEvent(new Event('token'))
  }

  #renewIn (delayMs) {
    clearTimeout(this.#timer)
    const delay = Math.min(Math.max(delayMs, 5_000), TIMER_MS_MAX)
    this.#timer = setTimeout(() => this.renew().catch(() => this.#renewIn(15_000)), delay)
  }
}
