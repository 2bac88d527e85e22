// The server program under test, as a process: started on a port of its own, stopped, killed and started again on the same
// port and database. Watches its log for secrets.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Cluster } from './cluster.mjs'
import { freshDatabase, query, serverCount, stores } from './database.mjs'
import { holdPort } from './port.mjs'
import { secret, token } from './token.mjs'
import { until } from './until.mjs'

/** The server program. */
export const program = process.env.TUTTI_BIN ?? fileURLToPath(new URL('../../../target/debug/tutti', import.meta.url))
/** That of the version before, if there is one. */
export const programBefore = process.env.TUTTI_BEFORE_BIN
const logLinesKept = 2_000

const { TUTTI_TLS_CERT_FILE, TUTTI_TLS_KEY_FILE } = process.env
/** Whether servers speak TLS. */
export const isEncrypted = Boolean(TUTTI_TLS_CERT_FILE)

/** Every JSON Web Token, whoever minted it: two base64url objects and a dot between. */
const anyToken = /eyJ[\w-]+\.eyJ[\w-]+/

const holdsSecret = (line) => anyToken.test(line) || line.includes(secret)

const running = new Set()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

export class Server {
  /** What is started next. */
  program
  #process = null
  #port = null
  #database
  #arguments
  #isAtFile
  #environment
  #metricsUrl = null
  #log = []
  #leaks = []

  constructor(database, options) {
    this.#database = database
    this.program = options.program ?? program
    this.#arguments = options.args ?? []
    this.#isAtFile = options.isAtFile ?? false
    const { PATH, HOME, TMPDIR } = process.env
    this.#environment = { PATH, HOME, TMPDIR, DATABASE_URL: database.url, TUTTI_LOG_LEVEL: options.logLevel ?? 'debug' }
    // Under scripts/with-tls.sh it speaks TLS, unless a proxy in front does.
    if (isEncrypted && !this.#isAtFile) Object.assign(this.#environment, { TUTTI_TLS_CERT_FILE, TUTTI_TLS_KEY_FILE })
    if (!options.isKeyless) this.#environment.TUTTI_JWT_SECRET = secret
  }

  get url() {
    return `${isEncrypted ? 'https' : 'http'}://${this.#address}`
  }

  get #wsUrl() {
    return this.url.replace('http', 'ws')
  }

  get #address() {
    return `127.0.0.1:${this.#port.number}`
  }

  /** Whether it was started, and not ended by us. */
  get isRunning() {
    return this.#process !== null
  }

  /** Its process, for who looks at it from outside. */
  get pid() {
    return this.#process.pid
  }

  /** Where a proxy finds it, as nginx writes that. */
  get upstream() {
    return this.#isAtFile ? `unix:${join(this.#database.folder, 'tutti.sock')}` : this.#address
  }

  /** Where the database is, for who looks into it past the server. */
  get databaseUrl() {
    return this.#database.url
  }

  /** Does something to the database past the server. */
  inDatabase(sql) {
    return query(this.#database.url, sql)
  }

  get yjsUrl() {
    return `${this.#wsUrl}/yjs`
  }

  get hocuspocusUrl() {
    return `${this.#wsUrl}/hocuspocus`
  }

  /** The last lines that the server logged. */
  get log() {
    return this.#log.join('\n')
  }

  token(claims) {
    return token(claims)
  }

  /** What it counts; it was started with `--metrics-bind`. */
  async metric(name) {
    const url = await until(() => this.#metricsUrl, 'the server says where its metrics are')
    const text = await (await fetch(url, { headers: { connection: 'close' } })).text()
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
  }

  /** A REST call with a token that may read and write everything, unless `as` is another token or null; `at`: a proxy. */
  fetch(path, { as = token(), headers, at = this.url, ...options } = {}) {
    const authorization = as === null ? {} : { authorization: `Bearer ${as}` }
    // A connection kept for the next call may be closed by the server in the moment of that.
    const all = { connection: 'close', ...authorization, ...headers }
    return fetch(at + path, { headers: all, signal: AbortSignal.timeout(60_000), ...options })
  }

  async start() {
    assert.equal(this.#process, null, 'the server runs already')
    assert.ok(existsSync(this.program), `there is no server program at ${this.program}: run \`cargo build\`, or set TUTTI_BIN`)
    this.#port ??= await holdPort()
    const child = spawn(this.program, ['serve', '--bind', this.upstream, ...this.#arguments], {
      cwd: this.#database.folder,
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = child
    running.add(child)
    child.once('exit', () => running.delete(child))
    let failure = null
    child.once('error', (error) => (failure = error))
    let listening = null
    this.#metricsUrl = null
    createInterface({ input: child.stdout }).on('line', (line) => {
      listening ??= /listening on (?:https?:\/\/)?(\S+?)\/?$/.exec(line)?.[1]
      this.#metricsUrl = /metrics on (\S+)/.exec(line)?.[1] ?? this.#metricsUrl
    })
    createInterface({ input: child.stderr }).on('line', (line) => this.#keep(line))
    try {
      await until(() => listening || failure || child.exitCode !== null, 'the server says where it listens')
      if (!listening) throw failure ?? new Error(`exit code ${child.exitCode}`)
    } catch (error) {
      child.kill('SIGKILL')
      this.#process = null
      throw new Error(`the server did not start: ${error.message}\n${this.log}`)
    }
    return this
  }

  #keep(line) {
    if (holdsSecret(line)) this.#leaks.push(line)
    this.#log.push(line)
    if (this.#log.length > logLinesKept) this.#log.shift()
  }

  async #end(signal, withinMs) {
    const child = this.#process
    if (child === null) return null
    child.kill(signal)
    await until(() => child.exitCode !== null || child.signalCode !== null, `the server ends after ${signal}`, { withinMs })
    this.#process = null
    return child.exitCode
  }

  /** The power is gone; that of nobody else. */
  async killAll() {
    await this.kill9()
  }

  /** The power is gone. */
  async kill9() {
    await this.#end('SIGKILL', 60_000)
  }

  /** Asks it to stop; the exit code, which should be 0. */
  async stop() {
    return this.#end('SIGTERM', 60_000)
  }

  /** Ends whatever runs, drops the database, and fails if a secret was logged. */
  async close() {
    await this.kill9()
    this.#port?.release()
    await this.#database.drop()
    assert.deepEqual(this.#leaks, [], 'the log holds no token and no secret')
  }
}

/** For a test that by its nature is of one server: it is skipped where there are several, and this is why. */
export const onOneServer = (why) => ({ skip: serverCount > 1 && why })

/**
 * Starts a server on a fresh database. `store`: sqlite or postgres; `args`: more arguments to `serve`; `isKeyless`: let it
 * make a key of its own; `isAtFile`: listen at a Unix socket, where only a proxy finds it. With `TUTTI_SERVERS` it is so many
 * behind a balancer, where one server could not be told from them.
 */
export async function startServer({ store = stores[0], ...options } = {}) {
  const database = await freshDatabase(store)
  const isCluster = serverCount > 1 && store === 'postgres' && !options.isAtFile
  const server = isCluster ? new Cluster(database, options, serverCount) : new Server(database, options)
  try {
    return await server.start()
  } catch (error) {
    await server.killAll()
    await database.drop()
    throw error
  }
}
