// Looks for every acknowledged mark: in the database between two lives of the server, and at the end everywhere.
//
// The look between the lives is what proves durability. Clients keep what they typed and send it again when they come back, so a
// server that loses everything at each kill would still show a whole document at the end.

import { Client, versions } from '../clients/support/client.mjs'
import { count } from './marks.mjs'
import { Timeline } from './timeline.mjs'

const pageEntries = 1000

/** Whether the database holds what is acknowledged by now. The result: the marks that it holds unacknowledged. */
export async function auditStore({ database, timeline, typists, findings }, where) {
  if (!database.isReadable) return []
  // Noted before the look: what is acknowledged meanwhile may be stored after it.
  const acknowledged = typists.map((typist) => new Set(typist.acknowledged))
  await timeline.read(database)
  const unacknowledged = []
  typists.forEach((typist, i) => {
    for (let number = 0; number < typist.typed; number += 1) {
      const isHeld = timeline.holds(typist, number)
      if (acknowledged[i].has(number) && !isHeld) findings.loses(typist.mark(number), where)
      if (!acknowledged[i].has(number) && isHeld) unacknowledged.push(typist.mark(number))
      if (timeline.repeats(typist, number)) findings.repeats(typist.mark(number), where)
    }
  })
  timeline.faults.splice(0).forEach((fault) => findings.fault(`${where}: ${fault}`))
  return unacknowledged
}

/** Whether a text is made of each acknowledged mark of its room, once, and of nothing that nobody typed. */
export function auditText(text, typists, findings, where) {
  const { counts, torn } = count(text)
  if (torn !== '') findings.fault(`${where}: there is text between the marks: ${JSON.stringify(torn.slice(0, 100))}`)
  for (const typist of typists) {
    for (let number = 0; number < typist.typed; number += 1) {
      const mark = typist.mark(number)
      const times = counts.get(mark) ?? 0
      counts.delete(mark)
      if (times === 0 && typist.acknowledged.has(number)) findings.loses(mark, where)
      if (times > 1) findings.repeats(mark, where)
    }
  }
  if (counts.size > 0) findings.fault(`${where}: nobody typed ${[...counts.keys()].slice(0, 10).join(' ')}`)
}

/** Everything about one room as a server without members shows it: its document, its timeline, and a newcomer's copy. */
export async function auditRoom({ server, timeline, typists, findings }, room) {
  const path = `/api/v1/rooms/${room}`
  const members = typists.filter((typist) => typist.room === room)

  const document = await read(server, `${path}/document?format=text&root=content`)
  const text = await document.text()
  auditText(text, members, findings, `document of ${room}`)

  let seq = 0
  let next = 0
  while (next !== null) {
    const page = await (await read(server, `${path}/history?limit=${pageEntries}&after=${next}`)).json()
    for (const entry of page.entries) {
      if (entry.seq !== seq + 1) findings.fault(`history of ${room}: after seq ${seq} comes seq ${entry.seq}`)
      seq = entry.seq
    }
    ;({ next } = page)
  }
  const heads = {
    history: seq,
    room: (await (await read(server, path)).json()).seq,
    document: Number(document.headers.get('tutti-seq')),
    database: timeline.heads.get(room) ?? seq,
  }
  if (new Set(Object.values(heads)).size > 1) findings.fault(`${room} has several heads: ${JSON.stringify(heads)}`)

  const newcomer = new Client(server, { version: versions[0], room })
  try {
    await newcomer.synced()
    if (newcomer.content() !== text) findings.fault(`${room}: a newcomer reads another text than REST`)
    auditText(newcomer.content(), members, findings, `newcomer's copy of ${room}`)
  } finally {
    newcomer.close()
  }
}

async function read(server, path) {
  const response = await server.fetch(path)
  if (response.status !== 200) throw new Error(`${path} answers ${response.status}: ${await response.text()}`)
  return response
}

/** The whole timeline once more from its beginning: nothing that was stored has gone. */
export async function auditAll(run) {
  const timeline = new Timeline(run.typists)
  await auditStore({ ...run, timeline }, 'timeline')
  return timeline
}
