// What someone meets who starts the program: a ready link, or one clear error that says what to do.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { text } from 'node:stream/consumers'
import { program } from './support/server.mjs'
import { until } from './support/until.mjs'

async function folder(t) {
  const path = await mkdtemp(join(tmpdir(), 'tutti-start-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Starts the program in an empty folder; it ends with the test. */
async function run(t, args, env = {}) {
  const cwd = await folder(t)
  const { PATH, HOME } = process.env
  const child = spawn(program, args, { cwd, env: { PATH, HOME, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  return { child, cwd }
}

/** Runs the program, which must end by itself: its exit code and what it says. */
async function failure(t, args, env) {
  const { child } = await run(t, args, env)
  const said = Promise.all([text(child.stdout), text(child.stderr)])
  await until(() => child.exitCode !== null, `it ends by itself: ${args.join(' ')}`)
  return { code: child.exitCode, said: (await said).join('') }
}

test('the demo starts with nothing but a free port: it prints a ready link and keeps a key that only its owner reads', async (t) => {
  const { child, cwd } = await run(t, ['serve', '--demo', '--bind', '127.0.0.1:0'])
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  const [, url] = await until(() => /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(output), 'the link', { state: () => output })
  const page = await fetch(url)
  assert.equal(page.status, 200)
  assert.match(page.headers.get('content-type'), /^text\/html/)
  assert.match(page.headers.get('content-security-policy'), /default-src 'self'/)
  const { mode } = await stat(join(cwd, 'tutti.db.key'))
  assert.equal(mode & 0o777, 0o600)
  child.kill('SIGTERM')
  await until(() => child.exitCode !== null, 'it stops')
  assert.equal(child.exitCode, 0)
})

test('a port that is taken is named', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.after(() => other.close())
  await once(other, 'listening')
  const { port } = other.address()
  const { code, said } = await failure(t, ['serve', '--demo', '--bind', `127.0.0.1:${port}`])
  assert.equal(code, 1)
  assert.match(said, new RegExp(`127\\.0\\.0\\.1:${port}`))
  assert.match(said, /--bind|TUTTI_BIND/, 'it says which option chooses another')
})

test('a database that cannot be opened is named, without its password', async (t) => {
  const cwd = await folder(t)
  await writeFile(join(cwd, 'letter.txt'), 'this is no database, however long it may be '.repeat(100))
  const urls = [
    `sqlite://${join(cwd, 'no/such/folder/tutti.db')}`,
    `sqlite://${join(cwd, 'letter.txt')}`,
    'postgres://ada:canary-password@127.0.0.1:1/tutti',
    'mysql://127.0.0.1/tutti',
  ]
  for (const url of urls) {
    const { code, said } = await failure(t, ['serve', '--demo', '--bind', '127.0.0.1:0'], { DATABASE_URL: url })
    assert.ok(code === 1 || code === 2, `${url}: ${code}`)
    assert.ok(said.length > 0 && !said.includes('canary-password'), said)
    assert.doesNotMatch(said, /panicked/)
  }
})

test('a server without a key does not open itself to the network', async (t) => {
  const { code, said } = await failure(t, ['serve', '--bind', '0.0.0.0:0'])
  assert.equal(code, 2)
  assert.match(said, /TUTTI_JWT_SECRET|--jwt-secret/)
})

test('wrong options are all reported at once', async (t) => {
  const { code, said } = await failure(t, ['serve', '--bind', 'nowhere', '--ping-interval-ms', '0', '--allowed-origins', '*'])
  assert.equal(code, 2)
  for (const option of ['bind', 'ping-interval-ms', 'allowed-origins']) assert.match(said, new RegExp(option))
  assert.equal((await failure(t, ['serve', '--no-such-option'])).code, 2)
})
