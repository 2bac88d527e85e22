// Who is in a room, by user.

import { Timer } from './timer.js'
import type { Present, PresenceChange } from './types.js'
import type { PresenceDiff, PresenceState } from './wire.js'

const EVERY_MS = 100

/** Who is in a room, by user. A `presence` event of the room tells each change. */
export class Presence<State = unknown> {
  /** By user id; empty if the room is too large for names. */
  users: ReadonlyMap<string, Present<State>> = new Map()
  count = 0
  /** Too many are here: only their number is known. */
  isCapped = false
  #room: { readonly isJoined: boolean }
  #cast: (message: object) => boolean
  #state: State | undefined
  #hasNews = false
  #pause = new Timer()

  /** @internal Made by its room. */
  constructor (room: { readonly isJoined: boolean }, cast: (message: object) => boolean) {
    this.#room = room
    this.#cast = cast
  }

  /** What others see beside the name: a small object, at most 4 KiB of JSON. Sent at most every 100 ms, and again after each reconnect. */
  set (state: State): void {
    this.#state = state
    this.announce()
  }

  /** @internal */
  announce (): void {
    this.#hasNews = this.#state !== undefined
    if (!this.#pause.isSet) this.#send()
  }

  #send (): void {
    if (!this.#hasNews || !this.#room.isJoined) return
    this.#hasNews = !this.#cast({ type: 'presence.update', state: this.#state })
    this.#pause.set(() => this.#send(), EVERY_MS)
  }

  /** @internal The whole state: what differs from what was known, as if it had come as a diff. */
  replace ({ count, users = [], capped = false }: Pick<PresenceState, 'count' | 'users' | 'capped'>): PresenceChange<State> {
    const before = this.users
    const present = users as Present<State>[]
    const now = new Map(present.map((one) => [one.user, one]))
    this.count = count
    this.isCapped = capped
    this.users = now
    return {
      count,
      joins: present.filter(({ user }) => !before.has(user)),
      updates: present.filter((one) => before.has(one.user) && JSON.stringify(before.get(one.user)) !== JSON.stringify(one)),
      leaves: [...before.values()].filter(({ user }) => !now.has(user))
    }
  }

  /** @internal */
  change ({ count, joins = [], updates = [], leaves = [], capped = false }: PresenceDiff): PresenceChange<State> {
    if (capped) return this.replace({ count, capped })
    const users = new Map(this.users)
    const [joined, updated] = [joins, updates] as Present<State>[][] as [Present<State>[], Present<State>[]]
    for (const present of [...joined, ...updated]) users.set(present.user, present)
    const left = leaves.map((user) => users.get(user)).filter((present) => present !== undefined)
    for (const user of leaves) users.delete(user)
    this.count = count
    this.isCapped = false
    this.users = users
    return { count, joins: joined, updates: updated, leaves: left }
  }
}
