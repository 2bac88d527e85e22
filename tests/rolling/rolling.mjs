// `make rolling`: replaces three servers behind HAProxy, one after another, under thousands of people. tests/clients/rolling.test.mjs
// does the same with few.

import { startCluster } from '../clients/support/cluster.mjs'
import { Crowd, LongRoom } from '../clients/support/rolling.mjs'
import { program, programBefore } from '../clients/support/server.mjs'

const people = Number(process.env.PEOPLE ?? 5_000)
const each = 10
/** Rooms in which something is said and typed before each replacement. */
const speaking = 50
const patient = { withinMs: 300_000 }

// All come from one address, and some at once.
// What is a few seconds old is packed, so that servers of both versions read what the other has packed.
const args = ['--sockets-per-ip-max', '15000', '--rate-address', '100000', '--compact-after', '5s']
const cluster = await startCluster(3, { args, logLevel: 'warn', program: programBefore ?? program })
const crowd = new Crowd(cluster)
const long = new LongRoom(cluster)
process.setMaxListeners(people)
/** Those that were replaced, and where the log of the version before ends. */
const replaced = []
let isGood = true

/** Warnings and errors of a log, alike ones counted once: without times and fields. */
function complaints(log) {
  const counts = new Map()
  for (const [, line] of log.matchAll(/^\S+ +((?:WARN|ERROR) .*)$/gm)) {
    const kind = line.replace(/ ?\S+=(?:"[^"]*"|\S*)/g, '').replace(/\d+/g, '…')
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}

function tells(whose, log) {
  for (const [kind, count] of complaints(log)) console.log(`rolling: ${whose} says ${count} times: ${kind}`)
}

try {
  while (crowd.size < people) {
    for (let room = 0; room < 10; room += 1) crowd.opens(each)
    await crowd.isHere(patient)
  }
  await crowd.isWhole(patient)
  console.log(`rolling: ${crowd.size} people in rooms of ${each}, on ${cluster.servers.length} servers${programBefore ? ' of the version before' : ''} behind HAProxy`)
  await long.grows()
  for (const server of cluster.servers) {
    await crowd.speaks(speaking)
    await long.isReadAlike()
    const before = server.log
    const backMs = await crowd.replaces(server)
    isGood &&= backMs <= 15_000
    console.log(`rolling: all are back ${(backMs / 1000).toFixed(1)} s after the server ended`)
    await cluster.isWhole()
    await long.grows()
    await long.isReadAlike()
    if (programBefore) tells('a server of the version before', before)
    replaced.push({ server, from: before.length })
  }
  await crowd.isWhole(patient)
  const untrue = crowd.untrueLeaves().length
  isGood &&= untrue === 0
  console.log(`rolling: ${await crowd.nothingIsLost()} acknowledged, none lost; ${untrue} shown to leave who were back within 10 s`)
  for (const { server, from } of replaced) {
    const log = server.log.slice(from)
    tells('a server of this version', log)
    isGood &&= !/ ERROR /.test(log)
  }
} catch (error) {
  isGood = false
  console.error(error.message)
} finally {
  crowd.close()
  await cluster.close()
}
console.log(isGood ? 'rolling: good' : 'rolling: FAILED')
process.exit(isGood ? 0 : 1)
