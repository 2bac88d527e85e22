// One run: typists type while the killer kills; then all comes to rest and everything is looked for.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { versions } from '../clients/support/client.mjs'
import { Server } from '../clients/support/server.mjs'
import { until } from '../clients/support/until.mjs'
import { auditAll, auditRoom, auditText } from './audit.mjs'
import { createDatabase } from './database.mjs'
import { Findings } from './findings.mjs'
import { Fleet } from './fleet.mjs'
import { Killer } from './killer.mjs'
import { Nats } from './nats.mjs'
import { Random } from './random.mjs'
import { Timeline } from './timeline.mjs'
import { Typist } from './typist.mjs'

const reportEvery = 10
/** A dead server's people are gone after 10 s and the grace; these come back before. */
const presenceWithinMs = 20_000

/**
 * Makes one run of the plan and tells `say` about it. The result is whether nothing is wrong; else the evidence is kept in a folder
 * that is told.
 */
export async function crash(plan, say) {
  const began = Date.now()
  const database = await createDatabase(plan.store)
  if (!database.isReadable) {
    say('  !!! Neither sqlite3 nor python3 is here to read the database file: NOT CHECKED is whether acknowledged edits were stored')
    say('  !!! before their authors sent them again, and whether each was stored once. Install one of them.')
  }
  const findings = new Findings()
  const random = new Random(plan.seed)
  const nats = plan.bus === 'nats' ? await Nats.create() : null
  const server = servers(plan, database, nats, random)
  const run = { ...plan, database, server, findings, random, typists: [] }
  run.killer = new Killer(run)
  try {
    await server.start()
    run.typists = hire(run)
    run.timeline = new Timeline(run.typists)
    await killAndType(run, say)
    const killedAt = Date.now()
    await settle(run)
    if (run.servers > 1) await presenceIsTrue(run, killedAt)
    await inspect(run)
  } catch (error) {
    findings.fault(`the run broke off: ${error.stack}`)
  } finally {
    run.typists.forEach((typist) => typist.close())
  }
  await server.close().catch((error) => findings.fault(error.message))
  await nats?.close()
  tell(run, say, Math.round((Date.now() - began) / 1000))
  if (findings.areNone) await database.drop()
  else await keepEvidence(run, say)
  return findings.areNone
}

/** One server, or several behind a balancer. */
function servers(plan, { url, folder }, nats, random) {
  const own = { url, folder, drop: () => {} }
  // Edits are packed almost as soon as they are there, so that kills hit that, too.
  const options = { logLevel: 'info', args: ['--compact-after', '1s', ...(nats ? ['--bus', 'nats', '--bus-url', nats.url] : [])] }
  return plan.servers > 1 ? new Fleet(own, options, plan.servers, random.fork()) : new Server(own, options)
}

/** The typists, spread over the rooms, with both releases of the provider. */
function hire({ mode, server, random, clients, rooms, killer, findings }) {
  const onEnd = (typist, code) => {
    if (code === 1006 && killer.isServerDying) return
    // The room cannot be loaded now.
    if (code === 1013 && mode !== 'server') return
    findings.fault(`a connection of typist ${typist.number} ended with ${code} while the server lived`)
  }
  return Array.from({ length: clients }, (_, i) => {
    const version = versions[Math.floor(i / rooms) % versions.length]
    return new Typist(server, { number: i + 1, room: `crash/${(i % rooms) + 1}`, version, random: random.fork(), onEnd })
  })
}

async function killAndType(run, say) {
  const { typists, killer, kills } = run
  typists.forEach((typist) => typist.start())
  for (let round = 1; round <= kills; round += 1) {
    await killer.round()
    if (round % reportEvery === 0 && round < kills) say(`  ${round} of ${kills}: ${typed(run)} marks, ${run.findings.lost.size} lost`)
  }
  run.acknowledgedDuring = acknowledged(run)
}

/** All typing ends, all is acknowledged, and the clients of a room read the same. */
async function settle({ typists, findings }) {
  typists.forEach((typist) => typist.stop())
  await Promise.all(typists.map((typist) => typist.settled()))
  for (const [room, members] of byRoom(typists)) {
    const contents = () => new Set(members.map(({ client }) => client.content()))
    await until(() => contents().size === 1, `the clients in ${room} converge`)
    for (const { client, number } of members) auditText(client.content(), members, findings, `copy of typist ${number}`)
  }
  for (const { client, number } of typists) {
    if (client.denials > 0) findings.fault(`typist ${number} was denied ${client.denials} times`)
  }
}

/** Every server tells of everybody who is in a room, by one connection, and of nobody else, soon after the last kill. */
async function presenceIsTrue({ server, typists }, killedAt) {
  for (const [room, members] of byRoom(typists)) {
    const expected = members.map(({ number }) => `typist-${number} 1`).sort().join()
    const isTrue = async () => (await server.tellWhoIsIn(room)).every((told) => told === expected)
    const state = () => expected
    await until(isTrue, `all servers tell who is in ${room}`, { withinMs: killedAt + presenceWithinMs - Date.now(), state })
  }
}

/** What is stored is read with all clients gone, since they would send again what is missing. */
async function inspect(run) {
  run.typists.forEach((typist) => typist.close())
  await run.killer.last()
  const timeline = await auditAll(run)
  if (run.database.isReadable) run.packed = await run.database.packed()
  await run.killer.startLast()
  for (const room of byRoom(run.typists).keys()) await auditRoom({ ...run, timeline }, room)
}

function byRoom(typists) {
  const rooms = new Map()
  for (const typist of typists) rooms.set(typist.room, [...(rooms.get(typist.room) ?? []), typist])
  return rooms
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)
const typed = ({ typists }) => sum(typists.map((typist) => typist.typed))
const acknowledged = ({ typists }) => sum(typists.map((typist) => typist.acknowledged.size))

function tell(run, say, seconds) {
  const { typists, killer, findings } = run
  const closings = new Map()
  for (const typist of typists) for (const [code, times] of typist.closings) closings.set(code, (closings.get(code) ?? 0) + times)
  const rows = {
    marks: typed(run),
    acknowledged: `${acknowledged(run)} (${run.acknowledgedDuring ?? '-'} while kills went on)`,
    kills: `server ${killer.kills.server}, database ${killer.kills.database}; ${killer.hits} while edits were on their way`,
    'found committed, not yet acknowledged': killer.unknownCommits.size,
    reconnects: sum(typists.map((typist) => Math.max(0, typist.connections - 1))),
    'close codes': [...closings].map(([code, times]) => `${code} ${times}×`).join(', ') || 'none',
    lost: findings.lost.size,
    duplicated: findings.duplicated.size,
    faults: findings.faults.size,
    'edits in packs': run.packed ?? 'NOT CHECKED',
    'stored entries': run.database.isReadable ? 'all read' : 'NOT CHECKED',
    seconds,
  }
  for (const [name, value] of Object.entries(rows)) say(`  ${name.padEnd(38)}${value}`)
}

async function keepEvidence(run, say) {
  const { database, server, findings, typists, store, mode, servers, bus, kills, seed, clients, rooms } = run
  await database.postgres?.kill().catch(() => {})
  const ledger = typists.map((typist) => {
    const unacknowledged = Array.from({ length: typist.typed }, (_, i) => i).filter((number) => !typist.acknowledged.has(number))
    return { typist: typist.number, room: typist.room, clientId: typist.clientId, typed: typist.typed, unacknowledged }
  })
  const evidence = { plan: { store, mode, servers, bus, kills, seed, clients, rooms }, findings, ledger }
  await writeFile(join(database.folder, 'evidence.json'), JSON.stringify(evidence, null, 1))
  await writeFile(join(database.folder, 'server.log'), server.log)
  for (const fault of [...findings.faults].slice(0, 10)) say(`  fault: ${fault}`)
  for (const kind of ['lost', 'duplicated']) {
    for (const [mark, places] of [...findings[kind]].slice(0, 10)) say(`  ${kind}: ${mark} in: ${[...places].slice(0, 3).join('; ')}`)
  }
  say(`  evidence (database, evidence.json, server.log): ${database.folder}`)
}
