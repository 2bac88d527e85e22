// Clients over TLS. They are a process of their own, since Node.js reads whom it trusts once, when it starts.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))

test('y-websocket, Hocuspocus, JSON and REST work over wss and https', () => {
  // Set, it would have the tests there report to this test's runner.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const command = [process.execPath, '--test-reporter=spec', path('support/over-tls.mjs')]
  const { status, stdout, stderr } = spawnSync(path('../../scripts/with-tls.sh'), command, { env, encoding: 'utf8', timeout: 120_000 })
  assert.equal(status, 0, `${stdout}\n${stderr}`)
  assert.match(stdout, /pass 3\b/)
})
