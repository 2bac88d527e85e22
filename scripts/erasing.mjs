// What it takes to find what is to be erased, and to erase it, in a recorded session of 137,154 edits, and what somebody in that room
// notices of it. Prints what stands in docs/PERFORMANCE.md. Needs a built server (TUTTI_BIN, default target/debug/tutti).
//
//   node scripts/erasing.mjs

import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { startServer } from '../tests/clients/support/server.mjs'
import { token } from '../tests/clients/support/token.mjs'
import { Talker } from '../tests/clients/support/tutti.mjs'
import { fill, people, shown } from './recorded-session.mjs'

const ROOM = 'recorded'
const TIMES = 5
const PAIRS = 2
/** Messages that are timed, and between two of them. */
const SAID = 400
const EVERY_MS = 20

const admin = token({ sub: 'root', rooms: [{ room: '*', access: 'admin' }] })
const [first] = people
const wishes = [
  ['all words of a user', { content: { user: first } }],
  ['what lay in a thousand characters', { content: { root: 'content', from: 20_000, to: 21_000 } }],
  ['all that a root held', { content: { root: 'content' } }],
  ['a name', { anonymise: first }]
]

const server = await startServer({ args: ['--rate-user', '100000', '--rate-room', '100000'], logLevel: 'warn' })
/** A line of the server's status, in MiB. */
const memory = (line) => Number(new RegExp(`^${line}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) / 1024
const erase = async (wish, dryRun = true) => {
  const begunMs = performance.now()
  const answer = await server.fetch(`/api/v1/rooms/${ROOM}/erase`, {
    method: 'POST', as: admin, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...wish, dryRun })
  })
  return { status: answer.status, told: await answer.json(), ms: performance.now() - begunMs }
}

try {
  await server.stop()
  const edits = fill(server.databaseUrl.replace('sqlite://', ''), ROOM)
  await server.start()
  console.log(`${edits} edits`)
  // The first time its history is made of the entries, over which a build for development takes longer than a request may.
  while ((await erase(wishes[0][1])).status === 503);
  // Cold: nothing of the history is in memory.
  await server.stop()
  await server.start()
  for (const [what, wish] of wishes) {
    // The highest mark of memory begins anew.
    writeFileSync(`/proc/${server.pid}/clear_refs`, '5')
    const before = memory('VmRSS')
    const runs = []
    for (let time = 0; time < TIMES; time += 1) runs.push(await erase(wish))
    const { told: { units, entries, messages, error } } = runs[0]
    shown(`dry run: ${what}`, runs.map(({ ms }) => ms))
    console.log(`  ${error?.message ?? `${units} units, ${entries} entries, ${messages} messages`}; the first took ${runs[0].ms.toFixed(1)} ms; ${Math.max(0, memory('VmHWM') - before).toFixed(1)} MiB more memory`)
  }

  const { tutti } = new Talker(`${server.url.replace('http', 'ws')}/ws`, { token: token({ sub: 'carol' }) })
  const room = tutti.room(ROOM)
  await room.joined()
  /** Median and 99th percentile of messages' acknowledgements. */
  const saying = async () => {
    const times = []
    const all = []
    for (let said = 0; said < SAID; said += 1) {
      const begunMs = performance.now()
      all.push(room.send('hello').then(() => times.push(performance.now() - begunMs)))
      await delay(EVERY_MS)
    }
    await Promise.all(all)
    times.sort((a, b) => a - b)
    return [times[SAID >> 1], times[Math.floor(SAID * 0.99)]]
  }
  console.log(`somebody says something in that room every ${EVERY_MS} ms, while nothing else goes on and while one dry run follows another:`)
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const alone = await saying()
    let [isOver, runs] = [false, 0]
    const running = (async () => { for (; !isOver; runs += 1) await erase(wishes[runs % 3][1]) })()
    const beside = await saying()
    isOver = true
    await running
    const [one, other] = [alone, beside].map(([half, most]) => `${half.toFixed(1)} ms, p99 ${most.toFixed(1)} ms`)
    console.log(`  acknowledged after ${one}; ${other} beside ${runs} dry runs: p99 ${(beside[1] / alone[1]).toFixed(2)} times`)
  }
  tutti.close()

  const { told, ms } = await erase(wishes[0][1], false)
  console.log(`${wishes[0][0]} erased in ${(ms / 1_000).toFixed(1)} s: ${told.units} units, ${told.entries} entries; done: ${told.done}`)
} finally {
  await server.close()
}
