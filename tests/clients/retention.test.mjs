// What is not kept for ever, with unmodified Yjs clients and the browser client: who comes back from before is told so, and editors
// notice nothing.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { join, newRoom, versions } from './support/client.mjs'
import { stores } from './support/database.mjs'
import { startServer } from './support/server.mjs'
import { token } from './support/token.mjs'
import { talk } from './support/tutti.mjs'
import { until } from './support/until.mjs'

const refusal = (promise) => promise.then(() => assert.fail('this was not refused'), ({ code }) => code)

for (const store of stores) {
  for (const version of versions) {
    test(`who comes back from before what is kept is told, and editors go on (${version.name}, ${store})`, async (t) => {
      const server = await startServer({ store, args: ['--retention', '1h'] })
      t.after(() => server.close())
      const name = newRoom()
      const ada = await join(t, server, { version, room: name })
      ada.type('one ')
      await ada.acknowledged()
      const bob = await join(t, server, { version, room: name, as: token({ sub: 'bob' }) })
      await bob.reads('one ')
      bob.goOffline()
      bob.type('(from afar) ', 0)
      ada.type('draft ')
      await ada.acknowledged()
      ada.text.delete(4, 6)
      await ada.acknowledged()
      await server.inDatabase('update entry set at = at - 86400000')
      ada.type('two')
      await ada.acknowledged()
      const { tutti } = talk(t, server, { as: { sub: 'carol' } })
      const open = tutti.room(name)
      await open.send('here')
      const firstSeq = async () => (await (await server.fetch(`/api/v1/rooms/${name}`)).json()).firstSeq
      await until(async () => (await firstSeq()) === 4, 'what is old is dropped')

      // Each by a connection of its own: late, and with what the last one heard.
      for (const [since, gap] of [[0, { since: 0, seq: 5 }], [2, { since: 2, seq: 5 }], [3, undefined], [5, undefined]]) {
        const late = talk(t, server, { as: { sub: 'dave' } }).tutti.room(name, { since })
        let told
        late.on('gap', (found) => (told = found))
        const { seq, recovered } = await new Promise((resolve) => late.on('joined', resolve))
        assert.deepEqual([seq, recovered, told], [5, gap === undefined, gap], `since ${since}`)
        late.leave()
      }
      assert.equal(await refusal(open.past.document({ at: 2, format: 'text' })), 'history_dropped')
      assert.equal(await refusal(open.past.diff({ from: 1 })), 'history_dropped')
      assert.equal((await open.past.document({ at: 3, format: 'text' })).content, 'one ')
      const { runs } = await open.past.blame()
      assert.deepEqual(runs.map(({ from, to, by }) => [from, to, by]), [[0, 4, 'ada'], [4, 7, 'ada']])

      // Whoever typed offline since before that brings it, and nothing of what is dropped.
      bob.goOnline()
      await Promise.all([ada, bob].map((client) => client.reads('(from afar) one two')))
      ada.type('!')
      await ada.acknowledged()
      await bob.reads('(from afar) one two!')
      await open.send('still here')
    })
  }
}
