// Several servers on one database behind a balancer that knows nothing of sessions: each new connection goes to the next one that
// takes it. Stands where a single server stands otherwise.

import { createServer, connect } from 'node:net'
import { Server } from '../clients/support/server.mjs'

export class Fleet {
  #servers
  #random
  #balancer = null
  #port = null
  #next = 0

  constructor(database, options, count, random) {
    this.#random = random
    this.#servers = Array.from({ length: count }, () => new Server(database, options))
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`
  }

  get yjsUrl() {
    return `ws://127.0.0.1:${this.#port}/yjs`
  }

  get log() {
    return this.#servers.map((server) => server.log).join('\n')
  }

  token(claims) {
    return this.#servers[0].token(claims)
  }

  /** By the first server that runs: a request is not sent again. */
  fetch(path, options) {
    return this.#running()[0].fetch(path, options)
  }

  /** Who is in a room, with how many connections, as each of the servers tells. */
  tellWhoIsIn(room) {
    const told = async (server) => {
      const answer = await server.fetch(`/api/v1/rooms/${encodeURIComponent(room)}/presence`)
      const { users = [] } = answer.ok ? await answer.json() : {}
      return users.map(({ user, sockets }) => `${user} ${sockets}`).sort().join()
    }
    return Promise.all(this.#running().map(told))
  }

  /** Starts those that do not run. */
  async start() {
    await Promise.all(this.#servers.filter((server) => !server.isRunning).map((server) => server.start()))
    if (this.#balancer === null) await this.#balance()
    return this
  }

  /** Kills one that runs, any of them. */
  async kill9() {
    const running = this.#running()
    await running[this.#random.below(running.length)].kill9()
  }

  async killAll() {
    await Promise.all(this.#running().map((server) => server.kill9()))
  }

  async close() {
    this.#balancer?.close()
    for (const server of this.#servers) await server.close()
  }

  #running() {
    return this.#servers.filter((server) => server.isRunning)
  }

  async #balance() {
    this.#balancer = createServer({ noDelay: true }, (client) => this.#pass(client, this.#servers.length))
    await new Promise((resolve) => this.#balancer.listen(0, '127.0.0.1', resolve))
    this.#port = this.#balancer.address().port
    this.#balancer.unref()
  }

  /** To the next server that takes the connection, of so many that are tried. */
  #pass(client, tries) {
    const [host, port] = this.#servers[this.#next++ % this.#servers.length].upstream.split(':')
    const server = connect({ host, port: Number(port), noDelay: true })
    let isUp = false
    client.on('error', () => server.destroy())
    server.once('connect', () => {
      isUp = true
      client.pipe(server).pipe(client)
    })
    server.on('error', () => {
      if (isUp || tries <= 1) client.destroy()
      else this.#pass(client, tries - 1)
    })
    server.on('close', () => isUp && client.destroy())
    client.on('close', () => server.destroy())
  }
}
