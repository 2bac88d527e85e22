import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const tsc = (...options) => promisify(execFile)(join(root, 'node_modules/.bin/tsc'), options, { cwd: root })
  .catch(({ stdout, stderr }) => assert.fail(stdout + stderr))

test('the client agrees with its types, and tutti.d.ts is what follows from them (else: npm run types)', async (t) => {
  const out = await mkdtemp(join(tmpdir(), 'tutti-types-'))
  t.after(() => rm(out, { recursive: true }))
  await tsc('-p', 'client', '--outDir', out)
  assert.equal(await readFile(join(root, 'client/tutti.d.ts'), 'utf8'), await readFile(join(out, 'tutti.d.ts'), 'utf8'))
})

test('an app in TypeScript gets the types', async () => {
  await tsc('--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom', '--types', '', 'tests/support/usage.ts')
})

test('the client imports nothing', async () => {
  assert.doesNotMatch(await readFile(join(root, 'client/tutti.js'), 'utf8'), /^import |[^.\w]import\(|require\(/m)
})
