// The browser client, in Node, where a proxy lets no WebSocket through: nothing is lost, nothing comes twice.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { hostileProxyTo } from './support/hostile-proxy.mjs'
import { startServer } from './support/server.mjs'
import { numbers, talk, timelineOf } from './support/tutti.mjs'
import { until } from './support/until.mjs'

let server
before(async () => {
  server = await startServer({ args: ['--rate-socket', '100000', '--rate-user', '100000', '--rate-room', '100000'] })
})
after(() => server?.close())

let rooms = 0
const newRoom = () => `stream/${(rooms += 1)}`

const seqsOf = (room) => room.heard.map(({ seq }) => seq)

for (const upgrades of [400, 502, 'drop']) {
  test(`chat, events, presence and typing work where upgrades meet ${upgrades}`, async (t) => {
    const network = await hostileProxyTo(t, server, upgrades)
    const name = newRoom()
    const ada = talk(t, server, { network, as: { sub: 'ada' } })
    const bob = talk(t, server, { as: { sub: 'bob' } })
    const [mine, theirs] = [ada.room(name), bob.room(name)]
    await Promise.all([mine.joined(), theirs.joined()])
    assert.equal(ada.tutti.getState().transport, 'stream')
    assert.equal(bob.tutti.getState().transport, 'websocket')
    assert.equal((await mine.send('by a stream')).seq, 1)
    assert.equal((await theirs.publish('order.updated', { id: 7 })).seq, 2)
    await until(() => mine.heard.length === 2 && theirs.heard.length === 2, 'both heard both')
    mine.presence.set({ colour: 'red' })
    await until(() => theirs.presence.users.get('ada')?.state?.colour === 'red', 'the state is seen')
    mine.typing()
    await until(() => theirs.typists.has('ada'), 'the typing is seen')
    theirs.signalBytes(Uint8Array.of(1, 2))
    mine.signalBytes(Uint8Array.of(3))
    const direct = new Promise((resolve) => ada.tutti.on('direct', resolve))
    assert.equal((await bob.tutti.direct('ada', 1)).sockets, 1)
    assert.equal((await direct).user, 'bob')
    ada.tutti.close()
    await until(() => !theirs.presence.users.has('ada'), 'who closes is gone at once')
  })
}

test('600 messages over streams that are cut again and again are stored once and heard once', async (t) => {
  const network = await hostileProxyTo(t, server, 502)
  const name = newRoom()
  const ada = talk(t, server, { network, as: { sub: 'ada' } })
  const bob = talk(t, server, { network, as: { sub: 'bob' } })
  const [mine, theirs] = [ada.room(name), bob.room(name, { since: 0 })]
  await Promise.all([mine.joined(), theirs.joined()])
  const sent = []
  for (const number of numbers(600)) {
    sent.push(mine.send(`message ${number}`))
    if (number % 150 === 0) network.drop()
    if (number % 10 === 0) await ada.tutti.ready()
  }
  await Promise.all(sent)
  await until(() => theirs.heard.length >= 600, 'all is heard')
  assert.deepEqual(seqsOf(theirs), numbers(600))
  const entries = await timelineOf(server, name)
  assert.equal(entries.length, 600)
  assert.equal(new Set(entries.map(({ body }) => body.text)).size, 600)
})

test('while messages fly the client changes over to WebSockets and back, and none is lost or doubled', async (t) => {
  const network = await hostileProxyTo(t, server, 502)
  const name = newRoom()
  const ada = talk(t, server, { network, as: { sub: 'ada' } })
  const bob = talk(t, server, { network, as: { sub: 'bob' } })
  const [mine, theirs] = [ada.room(name), bob.room(name, { since: 0 })]
  await Promise.all([mine.joined(), theirs.joined()])
  const sent = []
  let answered = 0
  const talkUntil = (isTrue, what) =>
    until(() => {
      // Fewer than may wait.
      if (sent.length - answered < 500) {
        const saved = mine.send(`message ${sent.length}`)
        saved.then(() => (answered += 1), () => {})
        sent.push(saved)
      }
      return isTrue()
    }, what)
  const hasTransport = (transport) => () => [ada, bob].every(({ tutti }) => tutti.getState().transport === transport)
  await talkUntil(hasTransport('stream'), 'both have a stream')
  network.upgrades = 'pass'
  await talkUntil(hasTransport('websocket'), 'both have a WebSocket')
  network.upgrades = 'drop'
  network.drop()
  await talkUntil(hasTransport('stream'), 'both have a stream again')
  const saved = await Promise.all(sent)
  assert.deepEqual(saved.map(({ seq }) => seq).sort((a, b) => a - b), numbers(sent.length))
  await until(() => theirs.heard.length >= sent.length, 'all is heard')
  assert.deepEqual(seqsOf(theirs), numbers(sent.length))
})
