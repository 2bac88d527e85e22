// Rooms with names in any letters, from all three protocols, and what a client hears of a name that no room can have.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { join, versions } from './support/client.mjs'
import { joinDocument, releases } from './support/hocuspocus.mjs'
import { startServer } from './support/server.mjs'
import { talk, timelineOf } from './support/tutti.mjs'
import { until } from './support/until.mjs'

let server
before(async () => (server = await startServer()))
after(() => server.close())

for (const name of ['Übersicht', '会議/メモ', 'خطة العمل', 'עברית', 'मीटिंग', '🚀 launch']) {
  test(`clients of every protocol meet in ${name}`, async (t) => {
    const as = { rooms: [{ room: name, access: 'write' }] }
    const ada = await join(t, server, { version: versions[0], room: name, as: server.token({ sub: 'ada', ...as }) })
    const ben = await joinDocument(t, server, { release: releases[0], room: name, as: server.token({ sub: 'ben', ...as }) })
    const cleo = talk(t, server, { as: { sub: 'cleo', ...as } }).room(name, { edits: true })
    await cleo.joined()
    ada.doc.getText('content').insert(0, name)
    await ben.reads(name)
    await until(() => cleo.heard.length === 1, 'Cleo hears of the edit', { state: () => cleo.heard })
    const { seq } = await cleo.send(name)
    const { entries } = await cleo.history()
    assert.deepEqual(entries.map((entry) => [entry.seq, entry.author]), [[1, 'ada'], [seq, 'cleo']])
    cleo.signalBytes(new Uint8Array([1, 2]))
    assert.equal((await timelineOf(server, encodeURIComponent(name))).length, 2)
  })
}

test('another spelling of a name, and a name with what cannot be seen, is refused with the reason', async (t) => {
  const cleo = talk(t, server)
  for (const [name, reason] of [['U\u0308bersicht', /normalization form C/], ['a\u202eb', /may not hold U\+202E/], ['❤\ufe0f', /may not hold U\+FE0F/]]) {
    await assert.rejects(cleo.tutti.room(name).joined(), reason)
  }
})
