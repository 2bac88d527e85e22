// A network that can fail: TCP between a client and the server, which can be slow, be cut, lose one direction,
// or swallow everything.

import { createConnection, createServer } from 'node:net'

export class Proxy {
  #target
  #listener
  #pairs = new Set()
  #isCut = false
  #isSilent = false
  #holdsAnswers = false
  #delayMs

  constructor(target, { delayMs = 0 } = {}) {
    this.#target = target
    this.#delayMs = delayMs
    this.#listener = createServer((client) => this.#connect(client))
  }

  async listen() {
    await new Promise((resolve, reject) => this.#listener.once('error', reject).listen(0, '127.0.0.1', resolve))
    return this
  }

  /** `host:port`, for clients. */
  get address() {
    return `127.0.0.1:${this.#listener.address().port}`
  }

  get connections() {
    return this.#pairs.size
  }

  #connect(client) {
    if (this.#isCut) return client.destroy()
    const { hostname, port } = new URL(this.#target)
    const server = createConnection({ host: hostname, port: Number(port) })
    const pair = { client, server }
    this.#pairs.add(pair)
    const end = () => {
      // In silence nobody hears that the other side gave up.
      if (this.#isSilent) return
      client.destroy()
      server.destroy()
      this.#pairs.delete(pair)
    }
    client.on('data', (data) => this.#isSilent || this.#later(() => server.write(data)))
    server.on('data', (data) => this.#isSilent || this.#holdsAnswers || this.#later(() => client.write(data)))
    for (const socket of [client, server]) socket.on('error', end).on('close', () => this.#later(end))
  }

  /** The end of a connection is on its way as long as what was said before it. */
  #later(arrive) {
    if (this.#delayMs > 0) setTimeout(arrive, this.#delayMs)
    else arrive()
  }

  /** All connections end now, and new ones are refused. */
  cut() {
    this.#isCut = true
    this.drop()
  }

  /** All connections end now; new ones work. */
  drop() {
    for (const pair of this.#pairs) {
      pair.client.destroy()
      pair.server.destroy()
      this.#pairs.delete(pair)
    }
  }

  /** Nothing passes any more, and nobody is told. */
  silence() {
    this.#isSilent = true
  }

  /** What the server says is lost; what clients say arrives. */
  loseAnswers() {
    this.#holdsAnswers = true
  }

  /** New connections work again. Those that lost something end. */
  restore() {
    if (this.#isSilent || this.#holdsAnswers) this.drop()
    this.#isCut = this.#isSilent = this.#holdsAnswers = false
  }

  async close() {
    this.cut()
    await new Promise((resolve) => this.#listener.close(resolve))
  }
}

/** A network in front of `server`, which ends with the test. `delayMs`: how long everything is on its way. */
export async function networkTo(t, server, options) {
  const proxy = await new Proxy(server.url, options).listen()
  t.after(() => proxy.close())
  return proxy
}
