// People in rooms on several servers while these are replaced one after another: how long all take to be back, who is shown to leave
// though they are back in time, and whether anything is missing that was acknowledged.

import assert from 'node:assert/strict'
import { Doc } from 'yjs'
import { Client, versions } from './client.mjs'
import { program, programBefore } from './server.mjs'
import { Talker, timelineOf } from './tutti.mjs'
import { until } from './until.mjs'

/** Edits of a long room at once, and their letters: what they take is stored as a part of its history, and packed once it is old. */
const longEdits = 24
const longEdit = 50_000

/** Whoever is back within this time has not left. */
export const graceMs = 10_000
const [version] = versions

/** When somebody was away. */
class Absences {
  #all = []
  #since = Date.now()

  get isHere() {
    return this.#since === null
  }

  went() {
    this.#since ??= Date.now()
  }

  came() {
    if (this.#since !== null) this.#all.push({ from: this.#since, to: Date.now() })
    this.#since = null
  }

  /** Whether it is true that they have left, as shown at that time. */
  wasAway(at) {
    const now = this.isHere ? [] : [{ from: this.#since, to: Infinity }]
    return [...this.#all, ...now].some(({ from, to }) => from <= at && to - from > graceMs)
  }
}

/** With the browser client: sees who comes and goes, and says something now and then. */
class Watcher {
  absences = new Absences()
  leaves = []
  said = []
  #talker
  #room

  constructor(cluster, user, room) {
    this.#talker = new Talker(`${cluster.url.replace('http', 'ws')}/ws`, { token: cluster.token({ sub: user }) })
    this.#talker.tutti.on('state', ({ state }) => {
      if (state !== 'online') this.absences.went()
    })
    this.#room = this.#talker.tutti.room(room)
    this.#room.on('joined', () => this.absences.came())
    this.#room.on('presence', ({ leaves }) => this.leaves.push(...leaves.map((one) => ({ user: one.user, at: Date.now() }))))
  }

  sees() {
    return this.#room.presence.users.size
  }

  async says(text) {
    await this.#room.send(text)
    this.said.push(text)
  }

  close() {
    this.#talker.tutti.close()
  }
}

/** With y-websocket's provider. */
class Writer {
  absences = new Absences()
  #client

  constructor(cluster, user, room) {
    this.#client = new Client(cluster, { version, room, as: cluster.token({ sub: user }) })
    this.#client.provider.on('status', ({ status }) => {
      if (status !== 'connected') this.absences.went()
    })
    this.#client.provider.on('sync', (isSynced) => isSynced && this.absences.came())
  }

  type(text) {
    this.#client.type(text)
  }

  content() {
    return this.#client.content()
  }

  close() {
    this.#client.close()
  }
}

/** A room whose past is read on each server, whichever of them has stored what. */
export class LongRoom {
  #cluster
  #path = `/api/v1/rooms/${encodeURIComponent('rolling/long')}/document`
  #doc = new Doc()
  #moments = []

  constructor(cluster) {
    this.#cluster = cluster
  }

  /** Becomes so much longer that another part of its history is stored. */
  async grows() {
    const text = this.#doc.getText('content')
    for (let n = 0; n < longEdits; n += 1) {
      let update
      this.#doc.once('update', (bytes) => (update = bytes))
      text.insert(text.length, `${this.#moments.length}.${n} `.padEnd(longEdit, 'x'))
      const posts = () => this.#cluster.fetch(this.#path, { method: 'POST', body: update })
      // 503: later, as a busy server asks for. Servers of the version before may not know yet what the edit builds on, where another one
      // took that.
      const early = programBefore ? [409, 503] : [503]
      const isTaken = async () => [await posts()].find(({ status }) => !early.includes(status))
      const answer = await until(isTaken, 'an edit is taken that builds on the one before', { withinMs: 60_000 })
      assert.ok(answer.ok, `${answer.status}`)
      this.#moments.push({ seq: (await answer.json()).seq, text: text.toString() })
    }
  }

  /** Fails unless every server tells the same of some moments. */
  async isReadAlike() {
    for (const server of this.#cluster.servers) {
      for (const { seq, text } of this.#moments.filter((_, n) => n % longEdits === 5)) {
        const asks = () => server.fetch(`${this.#path}?format=text&root=content&at=${seq}`)
        const isTold = async () => [await asks()].find(({ status }) => status !== 503)
        const answer = await until(isTold, 'the document is read', { withinMs: 60_000 })
        assert.equal(answer.status, 200)
        assert.ok((await answer.text()) === text, `the document at ${seq}`)
      }
    }
  }
}

export class Crowd {
  #cluster
  #people = new Map()
  #rooms = []
  #marks = []
  #rounds = 0

  constructor(cluster) {
    this.#cluster = cluster
  }

  /** One more room of so many people: one writes, the others watch. */
  opens(size) {
    const index = this.#rooms.length
    const name = `rolling/${index}`
    const come = (Kind, user) => {
      const person = new Kind(this.#cluster, user, name)
      this.#people.set(user, person)
      return person
    }
    const writer = come(Writer, `writer-${index}`)
    const watchers = Array.from({ length: size - 1 }, (_, n) => come(Watcher, `watcher-${index}-${n}`))
    this.#rooms.push({ name, writer, watchers, size })
  }

  get size() {
    return this.#people.size
  }

  /** Waits until everybody is in. */
  async isHere(options) {
    const missing = () => [...this.#people.values()].filter((person) => !person.absences.isHere).length
    await until(() => missing() === 0, 'everybody is in', { state: missing, ...options })
  }

  /** Waits until everybody is in, and sees everybody. */
  async isWhole(options) {
    await this.isHere(options)
    const sees = ({ watchers, size }) => watchers.every((watcher) => watcher.sees() === size)
    await until(() => this.#rooms.every(sees), 'everybody sees everybody', {
      state: () => this.#rooms.flatMap(({ watchers }) => watchers.map((watcher) => watcher.sees())).slice(0, 30),
      ...options,
    })
  }

  /** In some rooms somebody comes, types, and goes for good once it is acknowledged; somebody says something; the writer goes on. */
  async speaks(rooms) {
    const round = (this.#rounds += 1)
    await Promise.all(this.#rooms.slice(0, rooms).map(async ({ name, writer, watchers }) => {
      const mark = `<${round}>`
      writer.type('.')
      await watchers[0].says(mark)
      const passing = new Client(this.#cluster, { version, room: name, as: this.#cluster.token({ sub: 'passing' }) })
      try {
        await passing.synced()
        passing.type(mark, 0)
        await passing.acknowledged()
        this.#marks.push({ name, writer, mark })
      } finally {
        passing.close()
      }
    }))
  }

  /** Replaces a server by a new one, at the same address, of the present version whatever it was. How long it took until all were back, in ms. */
  async replaces(server) {
    assert.equal(await server.stop(), 0)
    const stopped = Date.now()
    server.program = program
    await server.start()
    await this.isHere()
    return Date.now() - stopped
  }

  /** Who was shown to leave though they were back in time. */
  untrueLeaves() {
    const leaves = this.#rooms.flatMap(({ watchers }) => watchers.flatMap((watcher) => watcher.leaves))
    return leaves.filter(({ user, at }) => user !== 'passing' && !this.#people.get(user).absences.wasAway(at))
  }

  /** How much was acknowledged; fails if anything of it is missing, or is there twice. */
  async nothingIsLost() {
    await until(() => this.#marks.every(({ writer, mark }) => writer.content().split(mark).length === 2), 'all that was typed is there, once')
    let count = this.#marks.length
    for (const { name, watchers } of this.#rooms.filter(({ watchers }) => watchers[0].said.length > 0)) {
      const { said } = watchers[0]
      const stored = (await timelineOf(this.#cluster, encodeURIComponent(name))).flatMap(({ body }) => body?.text ?? [])
      assert.deepEqual(stored, said)
      count += said.length
    }
    return count
  }

  close() {
    for (const person of this.#people.values()) person.close()
  }
}
