// Several servers on one Postgres behind HAProxy. Stands where a single server stands otherwise: `TUTTI_SERVERS=3` runs the suites
// against it.

import { freshDatabase } from './database.mjs'
import { HaProxy } from './haproxy.mjs'
import { isEncrypted, Server } from './server.mjs'
import { until } from './until.mjs'

export class Cluster {
  /** Each of the servers, for tests that need a certain one. */
  servers
  #database
  #balancer = null

  constructor(database, { args = [], ...options }, count) {
    this.#database = database
    const own = { url: database.url, folder: database.folder, drop: () => {} }
    // Clients come by the balancer, unless a test has another proxy in mind.
    const trusted = args.includes('--trusted-proxies') ? [] : ['--trusted-proxies', '127.0.0.1']
    const all = { ...options, args: [...args, ...trusted, '--metrics-bind', '127.0.0.1:0'] }
    this.servers = Array.from({ length: count }, () => new Server(own, all))
  }

  get #address() {
    return this.#balancer.address
  }

  get url() {
    return `${isEncrypted ? 'https' : 'http'}://${this.#address}`
  }

  get yjsUrl() {
    return `${this.url.replace('http', 'ws')}/yjs`
  }

  get hocuspocusUrl() {
    return `${this.url.replace('http', 'ws')}/hocuspocus`
  }

  /** Where another proxy finds the servers. */
  get upstream() {
    return this.#address
  }

  get databaseUrl() {
    return this.#database.url
  }

  inDatabase(sql) {
    return this.servers[0].inDatabase(sql)
  }

  get log() {
    return this.servers.map((server) => server.log).join('\n')
  }

  token(claims) {
    return this.servers[0].token(claims)
  }

  fetch(path, options) {
    return this.servers[0].fetch(path, { ...options, at: this.url })
  }

  /** Starts those that do not run, and waits until all know each other and get connections. */
  async start() {
    const [first, ...others] = this.servers.filter((server) => !server.isRunning)
    // The first one migrates the database, and makes a key if there is none.
    await first?.start()
    await Promise.all(others.map((server) => server.start()))
    this.#balancer ??= await HaProxy.start(this.servers.map((server) => server.upstream))
    await this.isWhole()
    return this
  }

  /** Waits until all know each other and get connections. */
  async isWhole() {
    const know = async (server) => (await server.metric('tutti_bus_peers')) === this.servers.length - 1
    const all = async () => (await Promise.all(this.servers.map(know))).every(Boolean)
    await until(all, 'the servers know each other')
    await this.#balancer.sees(this.servers.length)
  }

  async kill9() {
    await Promise.all(this.servers.map((server) => server.kill9()))
  }

  async killAll() {
    await this.kill9()
  }

  /** Asks all to stop; 0, if all ended with that. */
  async stop() {
    const codes = await Promise.all(this.servers.map((server) => server.stop()))
    return codes.find((code) => code !== 0) ?? 0
  }

  async close() {
    await this.kill9()
    await this.#balancer?.close()
    for (const server of this.servers) await server.close()
    await this.#database.drop()
  }
}

/** So many servers on a fresh database, whatever `TUTTI_SERVERS` says. */
export async function startCluster(count, options = {}) {
  const database = await freshDatabase('postgres')
  const cluster = new Cluster(database, options, count)
  try {
    return await cluster.start()
  } catch (error) {
    await cluster.close()
    throw error
  }
}
