// Three servers behind HAProxy are replaced one after another while people are in rooms: nobody is shown to leave who is back in time,
// and nothing is lost that was acknowledged. `make rolling` does the same with thousands.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startCluster } from './support/cluster.mjs'
import { Crowd } from './support/rolling.mjs'

test('servers that are replaced one after another lose nothing, and nobody is shown to leave', async (t) => {
  const cluster = await startCluster(3)
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
})
