// Kills the server, the database or both at random moments, and starts them again on the same port and data.

import { setTimeout as delay } from 'node:timers/promises'
import { until } from '../clients/support/until.mjs'
import { auditStore } from './audit.mjs'

const withinMs = 120_000

export class Killer {
  kills = { server: 0, database: 0 }
  /** Rounds that hit while edits were sent and not acknowledged. */
  hits = 0
  /** Marks found committed after a kill while their author did not know yet. */
  unknownCommits = new Set()
  /** Whether a connection that breaks off now is our doing. */
  isServerDying = false
  #run
  #round

  constructor(run) {
    this.#run = run
    this.#round = { server: this.#server, database: this.#database, both: this.#both }[run.mode]
  }

  /** One kill and the start after it. */
  async round() {
    await this.#moment()
    if (this.#run.typists.some((typist) => typist.inFlight > 0)) this.hits += 1
    await this.#round()
    const { server, findings } = this.#run
    const bad = server.log.split('\n').find((line) => /panicked|room died|the process ends/.test(line))
    if (bad) findings.fault(`the server logged: ${bad}`)
  }

  /**
   * Waits for a random time, the one thing here that no condition stands for: at once after the start, while clients come back,
   * or, in half of the cases, when they type and are acknowledged again.
   */
  async #moment() {
    const { random, typists } = this.#run
    const draw = random.below(100)
    if (draw < 20) return delay(random.between(0, 50))
    if (draw >= 50) {
      const acknowledged = () => typists.reduce((sum, typist) => sum + typist.acknowledged.size, 0)
      const before = acknowledged()
      const isTyping = () => typists.every((typist) => typist.isSynced) && acknowledged() > before
      const state = () => typists.map((typist) => ({ isSynced: typist.isSynced, closings: [...typist.closings] }))
      await until(isTyping, 'the typists are synced and acknowledged again', { withinMs, state })
    }
    return delay(random.between(5, 500))
  }

  async #server() {
    await this.#killServer()
    await this.#audit()
    await this.#pause()
    await this.#startServer()
  }

  async #database() {
    await this.#killDatabase()
    await this.#pause()
    await this.#run.database.postgres.start()
    await this.#audit()
  }

  async #both() {
    const { random } = this.#run
    const kills = [() => this.#killServer(), () => this.#killDatabase()]
    if (random.happens(50)) kills.reverse()
    await kills[0]()
    await delay(random.between(0, 100))
    await kills[1]()
    await this.#run.database.postgres.start()
    await this.#audit()
    await this.#startServer()
  }

  async #killServer() {
    this.isServerDying = true
    this.kills.server += 1
    await this.#run.server.kill9()
  }

  async #startServer() {
    await this.#run.server.start()
    this.isServerDying = false
  }

  async #killDatabase() {
    this.kills.database += 1
    await this.#run.database.postgres.kill()
  }

  /** How long it stays dead: mostly short, sometimes so long that much is typed meanwhile. */
  async #pause() {
    const { random } = this.#run
    await delay(random.happens(10) ? random.between(500, 1500) : random.between(0, 200))
  }

  async #audit() {
    const where = `store after kill ${this.kills.server + this.kills.database}`
    const unknown = await auditStore(this.#run, where)
    unknown.forEach((mark) => this.unknownCommits.add(mark))
  }

  /** A last kill, with nobody there to send anything again. The server is down afterwards, the database up. */
  async last() {
    this.isServerDying = true
    this.kills.server += 1
    await this.#run.server.killAll()
    if (this.#run.mode !== 'server') {
      await this.#killDatabase()
      await this.#run.database.postgres.start()
    }
  }

  /** The start after it. */
  async startLast() {
    await this.#startServer()
  }
}
