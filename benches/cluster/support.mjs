// Servers on one database without a balancer, people who connect to a certain one, and what is read of the system.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { freshDatabase } from '../../tests/clients/support/database.mjs'
import { JsonClient } from '../../tests/clients/support/json.mjs'
import { holdPort } from '../../tests/clients/support/port.mjs'
import { Server } from '../../tests/clients/support/server.mjs'
import { until } from '../../tests/clients/support/until.mjs'
import { pg } from '../../tests/crash/packages.mjs'

/** The parent of all processes of PostgreSQL. */
let postmaster = null

const limits = ['--sockets-per-ip-max', '15000', '--rate-address', '1000000', '--rate-user', '1000000', '--rate-socket', '100000', '--rate-room', '100000']

/** Arguments without those that are given another value. */
function withoutThese(args, others) {
  const at = args.indexOf(others[0])
  return at < 0 ? args : args.toSpliced(at, 2)
}

/** Servers that share a database. */
export class Group {
  #database
  #options
  servers = []

  static async start(count, args = []) {
    const group = new Group()
    group.#database = await freshDatabase('postgres')
    group.#options = { args: [...args, ...limits, '--metrics-bind', '127.0.0.1:0'], logLevel: 'warn' }
    for (let n = 0; n < count; n += 1) await group.add()
    return group
  }

  get url() {
    return this.#database.url
  }

  /** One more, with arguments beside those of all; it knows the others. */
  async add(args = []) {
    const own = { url: this.#database.url, folder: this.#database.folder, drop: () => {} }
    const server = await new Server(own, { ...this.#options, args: [...withoutThese(this.#options.args, args), ...args] }).start()
    this.servers.push(server)
    return server
  }

  /** The last one ends. */
  async remove() {
    await this.servers.pop().stop()
  }

  async close() {
    for (const server of this.servers) await server.kill9()
    await this.#database.drop()
  }
}

/** Waits until all servers of a group know each other. */
export const haveMet = ({ servers }) =>
  until(async () => (await Promise.all(servers.map((server) => server.metric('tutti_bus_peers')))).every((count) => count === servers.length - 1), 'the servers know each other')

/** Somebody with a plain connection to one server, in a room; `hear` gets each message with the time when it came. Without it they are not read. */
export async function enter(server, user, room, hear = null) {
  const client = new JsonClient(server, { as: server.token({ sub: user }) })
  await client.opened()
  await client.joins(room)
  client.socket.removeAllListeners('message')
  if (hear) client.socket.on('message', (data) => hear(JSON.parse(data), performance.now()))
  return client
}

/** What a process's `stat` has behind its name. */
const stat = (pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')
const usedMs = (fields) => (Number(fields[11]) + Number(fields[12])) * 10

/** What a process has computed so far, in ms. */
export const cpuMs = (server) => usedMs(stat(server.pid))

/** What PostgreSQL has computed so far, all of its processes that still run, in ms. */
export async function postgresCpuMs({ url }) {
  if (postmaster === null) {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    postmaster = stat((await client.query('select pg_backend_pid() as pid')).rows[0].pid)[1]
    await client.end()
  }
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    // One that ends meanwhile.
    try { return [stat(pid)] } catch { return [] }
  })
  return all.filter((fields) => fields[1] === postmaster).reduce((sum, fields) => sum + usedMs(fields), 0)
}

/** What a process holds, in MiB. */
export const memoryMib = (server) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) / 1024

export function quantile(numbers, part) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
}

export const median = (numbers) => quantile(numbers, 0.5)

/** Calls `work` so often in a second, at moments that are fixed beforehand, for so many seconds. */
export async function paced(perSecond, seconds, work) {
  const start = performance.now()
  for (let n = 0; n < perSecond * seconds; n += 1) {
    const wait = start + (n * 1000) / perSecond - performance.now()
    if (wait > 1) await delay(wait)
    work(n)
  }
}

/** A NATS server of our own, which can go away and come back. */
export class Nats {
  #port
  #child

  static async start() {
    const nats = new Nats()
    nats.#port = await holdPort()
    await nats.comes()
    return nats
  }

  get args() {
    return ['--bus', 'nats', '--bus-url', `nats://127.0.0.1:${this.#port.number}`]
  }

  get port() {
    return this.#port.number
  }

  async comes() {
    this.#child = spawn('nats-server', ['-a', '127.0.0.1', '-p', `${this.#port.number}`], { stdio: 'ignore' })
    process.once('exit', () => this.#child.kill('SIGKILL'))
    const answers = async () => {
      const socket = connect(this.#port.number, '127.0.0.1')
      const [event] = await Promise.race([once(socket, 'data'), once(socket, 'error'), delay(500)].map((one) => Promise.resolve(one))).then((got) => got ?? [null], () => [null])
      socket.destroy()
      return Buffer.isBuffer(event)
    }
    await until(answers, 'NATS answers')
  }

  async goes() {
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  async close() {
    await this.goes()
    this.#port.release()
  }
}

/** A network between a server and what it connects to, which can fail: the example `network`, and its commands. */
export class Link {
  #child
  #lines
  address

  static async start(target) {
    const link = new Link()
    link.#child = spawn(process.env.TUTTI_NETWORK, [target], { stdio: ['pipe', 'pipe', 'inherit'] })
    process.once('exit', () => link.#child.kill('SIGKILL'))
    link.#lines = createInterface(link.#child.stdout)[Symbol.asyncIterator]()
    link.address = (await link.#lines.next()).value
    return link
  }

  async does(command) {
    this.#child.stdin.write(`${command}\n`)
    const { value } = await this.#lines.next()
    if (value !== 'ok') throw new Error(`${command}: ${value}`)
  }

  async close() {
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

/** A bare ping by a bus, to compare with: resolves with the ms that it took. */
export async function natsPing({ port }) {
  const socket = connect(port, '127.0.0.1').setNoDelay(true)
  await once(socket, 'data')
  socket.write('CONNECT {"verbose":false}\r\nSUB ping 1\r\n')
  const ping = async () => {
    const start = performance.now()
    socket.write('PUB ping 100\r\n' + 'x'.repeat(100) + '\r\n')
    for (let heard = ''; !heard.includes('xx'); ) heard += (await once(socket, 'data'))[0]
    return performance.now() - start
  }
  return { ping, close: async () => socket.destroy() }
}

export async function notifyPing({ url }) {
  const [listener, notifier] = [new pg.Client({ connectionString: url }), new pg.Client({ connectionString: url })]
  await Promise.all([listener.connect(), notifier.connect()])
  await listener.query('listen ping')
  await notifier.query('set synchronous_commit = off')
  const ping = async () => {
    const start = performance.now()
    const heard = once(listener, 'notification')
    await Promise.all([heard, notifier.query(`select pg_notify('ping', '${'x'.repeat(100)}')`)])
    return performance.now() - start
  }
  return { ping, close: () => Promise.all([listener.end(), notifier.end()]) }
}

/** Looks every 20 ms whether a session waits for the lock of NOTIFY's commit; who notifies may. */
export async function watchNotifyLock({ url }) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const sql = "select count(*) from pg_locks join pg_stat_activity using (pid) where not granted and locktype = 'object' and classid = 1262 and query not ilike '%pg_notify%'"
  let [looks, waits, isOver] = [0, 0, false]
  const watching = (async () => {
    while (!isOver) {
      waits += Number((await client.query(sql)).rows[0].count)
      looks += 1
      await delay(20)
    }
  })()
  return async () => {
    isOver = true
    await watching
    await client.end()
    return { looks, waits }
  }
}
