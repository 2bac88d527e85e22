// Three servers behind HAProxy are replaced one after another while people are in rooms: nobody is shown to leave who is back in time,
// and nothing is lost that was acknowledged. `make rolling` does the same with thousands.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startCluster } from './support/cluster.mjs'
import { Crowd } from './support/rolling.mjs'
import { program, programBefore } from './support/server.mjs'

async function replacesAll(t, before) {
  const cluster = await startCluster(3, { program: before })
  t.after(() => cluster.close())
  // Small rooms: after a while some live on one server only, the one that is replaced.
  const crowd = new Crowd(cluster)
  t.after(() => crowd.close())
  for (let room = 0; room < 12; room += 1) crowd.opens(3)
  await crowd.isWhole()
  for (const server of cluster.servers) {
    await crowd.speaks(12)
    await crowd.replaces(server)
    assert.equal(await server.metric('tutti_bus_peers'), 2, 'it knows the others before it listens')
    await cluster.isWhole()
  }
  await crowd.isWhole()
  assert.deepEqual(crowd.untrueLeaves(), [])
  assert.equal(await crowd.nothingIsLost(), 3 * 12 * 2)
  return { cluster, crowd }
}

test('servers that are replaced one after another lose nothing, and nobody is shown to leave', (t) => replacesAll(t, program))

test('so do servers of the version before that are replaced by this one, and that run beside it', { skip: !programBefore && 'TUTTI_BEFORE_BIN names none' }, async (t) => {
  const { cluster, crowd } = await replacesAll(t, programBefore)
  // And back: the version before runs on what this one has made of the database.
  const [server] = cluster.servers
  assert.equal(await server.stop(), 0)
  server.program = programBefore
  await server.start()
  await cluster.isWhole()
  await crowd.speaks(12)
  await crowd.isWhole()
  await crowd.nothingIsLost()
})
