import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const run = (program, ...options) => promisify(execFile)(program, options, { cwd: root })
  .catch(({ stdout, stderr }) => assert.fail(stdout + stderr))
const tsc = (...options) => run(join(root, 'node_modules/.bin/tsc'), ...options)

test('tutti.js, tutti.d.ts and tutti-history.js are what follows from their sources (else: npm run client)', async (t) => {
  const out = await mkdtemp(join(tmpdir(), 'tutti-client-'))
  t.after(() => rm(out, { recursive: true }))
  await run(process.execPath, 'build-client.mjs', out)
  for (const file of ['tutti.js', 'tutti.d.ts', 'tutti-history.js']) {
    assert.equal(await readFile(join(root, 'client', file), 'utf8'), await readFile(join(out, file), 'utf8'), file)
  }
})

test('an app in TypeScript gets the types', async () => {
  await tsc('--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom', '--types', '', 'tests/support/usage.ts')
})

test('a back end in TypeScript gets the types', async () => {
  await tsc('--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom,dom.iterable', '--types', '', 'tests/support/usage-server.ts')
})

test('an app in TypeScript gets the types of the history panel', async () => {
  await tsc('--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom,dom.iterable', '--types', '', 'tests/support/usage-history.ts')
})

test('the types leave nothing unchecked', async () => {
  assert.doesNotMatch(await readFile(join(root, 'client/tutti.d.ts'), 'utf8'), /: any\b|<any\b|any\[\]/)
})

test('the client imports nothing', async () => {
  for (const file of ['tutti.js', 'tutti-history.js']) {
    assert.doesNotMatch(await readFile(join(root, 'client', file), 'utf8'), /^import |[^.\w]import\(|require\(/m)
  }
})
