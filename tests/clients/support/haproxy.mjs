// HAProxy from the system's packages before several servers, with the configuration of deploy/haproxy.cfg: each new connection
// goes to the next server, whoever it is from.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { holdPort } from './port.mjs'
import { until } from './until.mjs'

/** The program. */
export const haproxy = process.env.HAPROXY ?? '/usr/sbin/haproxy'
const config = new URL('../../../deploy/haproxy.cfg', import.meta.url)

const running = new Set()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

export class HaProxy {
  #port
  #folder
  #child
  #log = ''

  /** Starts it before the servers at these addresses, each `host:port`. */
  static async start(addresses) {
    if (!existsSync(haproxy)) throw new Error(`there is no HAProxy at ${haproxy}: run \`make test\`, or name one in HAPROXY`)
    const proxy = new HaProxy()
    proxy.#port = await holdPort()
    proxy.#folder = await mkdtemp(join(tmpdir(), 'tutti-haproxy-'))
    await writeFile(join(proxy.#folder, 'haproxy.cfg'), await proxy.#site(addresses))
    proxy.#child = spawn(haproxy, ['-db', '-f', join(proxy.#folder, 'haproxy.cfg')], { stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(proxy.#child)
    proxy.#child.once('exit', () => running.delete(proxy.#child))
    for (const output of [proxy.#child.stdout, proxy.#child.stderr]) output.on('data', (data) => (proxy.#log += data))
    return proxy
  }

  async #site(addresses) {
    let site = await readFile(config, 'utf8')
    const put = (what, instead) => {
      const changed = site.replace(what, instead)
      if (changed === site) throw new Error(`${config.pathname} has no ${what}`)
      site = changed
    }
    put('global\n', `global\n    stats socket ${this.#control}\n`)
    // Two files a connection; a test process may have fewer files than a service.
    put('maxconn 20000', 'maxconn 8000')
    // Where servers have a certificate of their own (scripts/with-tls.sh), it has the same one towards clients.
    const [cert, key] = [process.env.TUTTI_TLS_CERT_FILE, process.env.TUTTI_TLS_KEY_FILE]
    const [shown, own] = cert ? [` ssl crt ${await this.#pem(cert, key)}`, ' ssl verify none'] : ['', '']
    put('bind :8080', `bind ${this.address}${shown}`)
    put(/( +server tutti-\d+ .*\n)+/, addresses.map((address, i) => `    server tutti-${i + 1} ${address}${own}\n`).join(''))
    return site
  }

  /** A certificate and its key in one file, as it reads them. */
  async #pem(cert, key) {
    const path = join(this.#folder, 'server.pem')
    await writeFile(path, `${await readFile(cert, 'utf8')}${await readFile(key, 'utf8')}`, { mode: 0o600 })
    return path
  }

  /** Where it takes commands: a Unix socket. */
  get #control() {
    return join(this.#folder, 'control')
  }

  get address() {
    return `127.0.0.1:${this.#port.number}`
  }

  /** Waits until it sends connections to so many servers. */
  async sees(count) {
    const up = async () => (await this.#ask('show stat')).split('\n').filter((line) => /^anywhere,tutti-\d+,.*,UP,/.test(line))
    await until(async () => this.#child.exitCode !== null || (await up()).length === count, `HAProxy sees ${count} servers`, {
      state: () => this.#log,
    })
    if (this.#child.exitCode !== null) throw new Error(`HAProxy ended: ${this.#log}`)
  }

  #ask(command) {
    return new Promise((resolve) => {
      let answer = ''
      const socket = connect(this.#control, () => socket.end(`${command}\n`))
      socket.on('data', (data) => (answer += data)).on('error', () => {}).on('close', () => resolve(answer))
    })
  }

  async close() {
    this.#child.kill('SIGTERM')
    await until(() => this.#child.exitCode !== null || this.#child.signalCode !== null, 'HAProxy ends')
    this.#port.release()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
