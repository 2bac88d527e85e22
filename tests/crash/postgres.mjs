// A PostgreSQL server of one's own, to be killed and started again: a port of 127.0.0.1, a temporary folder, synced to
// disk like one in production.

import { execFile, execFileSync, spawn } from 'node:child_process'
import { chown, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { holdPort } from '../clients/support/port.mjs'
import { until } from '../clients/support/until.mjs'
import { pg } from './packages.mjs'

const run = promisify(execFile)
const finder = fileURLToPath(new URL('../../scripts/with-postgres.sh', import.meta.url))

const running = new Set()
// SIGQUIT, since SIGKILL would leave the backends behind.
process.on('exit', () => running.forEach((child) => child.kill('SIGQUIT')))

/** PostgreSQL refuses to run as root; Debian's package made a user for it. */
function owner() {
  if (process.getuid() !== 0) return {}
  const id = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

const isOver = (child) => child.exitCode !== null || child.signalCode !== null

async function processes() {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=,stat='])
  return stdout.trim().split('\n').map((line) => {
    const [pid, parent, state] = line.trim().split(/\s+/)
    return { pid: Number(pid), parent: Number(parent), isDead: state.startsWith('Z') }
  })
}

function killNow(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

export class Postgres {
  #process = null

  /** Makes and starts one. */
  static async create() {
    const postgres = new Postgres()
    const { stdout } = await run(finder, ['--find'])
    postgres.programs = stdout.trim()
    postgres.owner = owner()
    postgres.folder = await mkdtemp(join(tmpdir(), 'tutti-crash-'))
    postgres.port = await holdPort()
    const { folder, programs } = postgres
    if (postgres.owner.uid !== undefined) await chown(folder, postgres.owner.uid, postgres.owner.gid)
    const init = ['--pgdata=data', '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C']
    await run(join(programs, 'initdb'), init, { cwd: folder, ...postgres.owner })
    await postgres.start()
    return postgres
  }

  get url() {
    return `postgres://postgres@127.0.0.1:${this.port.number}/postgres`
  }

  /** Starts it, and waits until it has recovered and answers. */
  async start() {
    const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: this.folder, fsync: 'on' }
    const args = ['-D', 'data', '-p', String(this.port.number), ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
    const log = await open(join(this.folder, 'postgres.log'), 'a')
    const child = spawn(join(this.programs, 'postgres'), args, {
      cwd: this.folder,
      stdio: ['ignore', log.fd, log.fd],
      ...this.owner,
    })
    await log.close()
    running.add(child)
    child.once('exit', () => running.delete(child))
    this.#process = child
    await until(async () => isOver(child) || (await this.answers()), 'PostgreSQL answers', { withinMs: 120_000 })
    if (isOver(child)) throw new Error(`PostgreSQL did not start, see ${this.folder}/postgres.log`)
  }

  async answers() {
    try {
      await this.query('select 1')
      return true
    } catch {
      return false
    }
  }

  /** The rows of a query, on a connection of its own: one kept open would die with the server. */
  async query(sql, values) {
    const client = new pg.Client({ connectionString: this.url })
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query(sql, values)).rows
    } finally {
      await client.end()
    }
  }

  /** SIGKILL for the server and each of its processes at the same moment. The next start recovers. */
  async kill() {
    const child = this.#process
    if (isOver(child)) return
    // Held, it makes no more processes while they are looked for.
    child.kill('SIGSTOP')
    const own = (await processes()).filter(({ parent }) => parent === child.pid).map(({ pid }) => pid)
    for (const pid of [child.pid, ...own]) killNow(pid)
    // One that is left would keep the next start from the memory that they share.
    await until(async () => {
      const left = (await processes()).some(({ pid, isDead }) => own.includes(pid) && !isDead)
      return isOver(child) && !left
    }, 'PostgreSQL is gone')
  }

  async drop() {
    this.port.release()
    await rm(this.folder, { recursive: true, force: true })
  }
}
