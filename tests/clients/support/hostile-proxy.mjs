// A proxy that passes requests on and lets no WebSocket through, until it is told to.

import { createServer, request as ask } from 'node:http'
import { connect } from 'node:net'

export class HostileProxy {
  /** What becomes of upgrades: `pass`, `drop`, or the status with which they are answered. */
  upgrades
  /** Upgrades that were refused. */
  refused = 0
  #target
  #listener
  #sockets = new Set()

  constructor(target, upgrades) {
    this.#target = new URL(target)
    this.upgrades = upgrades
    this.#listener = createServer((request, response) => this.#pass(request, response))
    this.#listener.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
    this.#listener.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
    })
  }

  async listen() {
    await new Promise((resolve, reject) => this.#listener.once('error', reject).listen(0, '127.0.0.1', resolve))
    return this
  }

  /** `host:port`, for clients. */
  get address() {
    return `127.0.0.1:${this.#listener.address().port}`
  }

  #pass(request, response) {
    const { hostname, port } = this.#target
    const { method, url: path, headers } = request
    const upstream = ask({ hostname, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers)
      // Whoever waits for the first event must not wait for the second one.
      response.flushHeaders()
      answer.on('error', () => response.destroy()).pipe(response)
    })
    upstream.on('error', () => response.destroy())
    response.on('close', () => upstream.destroy())
    request.pipe(upstream)
  }

  #upgrade(request, socket, head) {
    if (this.upgrades === 'pass') {
      const upstream = connect(Number(this.#target.port), this.#target.hostname)
      const lines = request.rawHeaders.flatMap((text, at, all) => (at % 2 ? [] : [`${text}: ${all[at + 1]}`]))
      upstream.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
      upstream.write(head)
      upstream.on('error', () => socket.destroy()).pipe(socket)
      socket.on('close', () => upstream.destroy()).pipe(upstream)
      return
    }
    this.refused += 1
    if (this.upgrades === 'drop') socket.destroy()
    else socket.end(`HTTP/1.1 ${this.upgrades} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
  }

  /** All connections end now; new ones work. */
  drop() {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close() {
    this.drop()
    await new Promise((resolve) => this.#listener.close(resolve))
  }
}

/** Such a proxy in front of `server`, which ends with the test. */
export async function hostileProxyTo(t, server, upgrades) {
  const proxy = await new HostileProxy(server.url, upgrades).listen()
  t.after(() => proxy.close())
  return proxy
}
