// The browser client in a real browser: networks that fail under a page, tabs that sleep, pages of other origins.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { bePatient, startBrowser } from './support/browser.mjs'
import { hostileProxyTo } from './support/hostile-proxy.mjs'
import { networkTo } from './support/proxy.mjs'
import { startServer } from './support/server.mjs'
import { token } from './support/token.mjs'
import { numbers } from './support/tutti.mjs'
import { until } from './support/until.mjs'

let server
let browser
before(async () => {
  server = await startServer({ args: ['--demo', '--rate-user', '100000', '--rate-room', '100000'] })
  browser = await startBrowser()
})
after(async () => {
  await browser?.close()
  await server?.close()
})

const PLAIN = '/healthz'
let rooms = 0
const newRoom = () => `browser/${(rooms += 1)}`

/** A page on which a client is in `room`, loaded from `origin`; what it heard stands in the page's `heard`. */
async function talkingPage(t, { origin, room, path = PLAIN, script = '/tutti.js', url = '/ws' }) {
  // What the server sends as data runs no scripts; a page stands there for one of an app, which has a policy of its own.
  const context = await browser.newContext({ bypassCSP: path === PLAIN })
  t.after(() => context.close())
  const page = await context.newPage()
  bePatient(page)
  await page.goto(origin + path)
  await page.evaluate(
    async ([script, url, token, name]) => {
      const { connect } = await import(script)
      const tutti = connect(url, { token: async () => token })
      const room = tutti.room(name, { since: 0 })
      const [heard, states] = [[], []]
      tutti.on('state', ({ state, code, reason, transport }) => states.push({ state, code, reason, transport }))
      room.on('message', ({ seq, text }) => heard.push({ seq, text }))
      Object.assign(window, { tutti, room, heard, states })
    },
    [script, url, token(), room],
  )
  return page
}

/** It may be over by now: a page that lost its connection can dial again within a millisecond. */
const hasBeen = (page, state) => page.waitForFunction((state) => window.states.some((past) => past.state === state), state)

const stateIs = (page, state) => page.waitForFunction((state) => window.tutti.getState().state === state, state)

async function publish(room, texts) {
  const response = await server.fetch(`/api/v1/rooms/${room}/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token({ sub: 'bob' })}`, 'content-type': 'application/json' },
    body: JSON.stringify(texts.map((text) => ({ text }))),
  })
  assert.equal(response.status, 201)
}

async function hasHeard(page, count) {
  await page.waitForFunction((count) => window.heard.length >= count, count)
  const seqs = await page.evaluate(() => window.heard.map(({ seq }) => seq))
  assert.deepEqual(seqs, numbers(count))
}

test('the client loads and works under the policy of the demo', async (t) => {
  const room = newRoom()
  const page = await talkingPage(t, { origin: server.url, room, path: '/d/hello' })
  const { seq } = await page.evaluate(() => window.room.send('Hello everyone!'))
  assert.equal(seq, 1)
  await hasHeard(page, 1)
})

test('a cut network is missed at once, what is sent meanwhile is stored once, and nothing is heard twice', async (t) => {
  const network = await networkTo(t, server)
  const room = newRoom()
  const page = await talkingPage(t, { origin: `http://${network.address}`, room })
  await page.evaluate(() => window.room.send('before'))
  network.cut()
  await page.context().setOffline(true)
  await hasBeen(page, 'offline')
  await page.evaluate(() => {
    window.sent = Promise.all(Array.from({ length: 10 }, (_, i) => window.room.send(`while away ${i}`)))
  })
  await publish(room, ['from Bob'])
  network.restore()
  await page.context().setOffline(false)
  assert.equal((await page.evaluate(() => window.sent)).length, 10)
  await hasHeard(page, 12)
})

test('a network that the browser knows to be away, but whose connection hangs, is left without waiting for the heartbeat', async (t) => {
  const network = await networkTo(t, server)
  const page = await talkingPage(t, { origin: `http://${network.address}`, room: newRoom() })
  await stateIs(page, 'online')
  network.silence()
  await page.evaluate(() => window.dispatchEvent(new Event('offline')))
  await hasBeen(page, 'offline')
  assert.equal(await page.evaluate(() => window.states.find(({ state }) => state === 'offline').code), 4501)
  network.restore()
  await page.evaluate(() => window.dispatchEvent(new Event('online')))
  await stateIs(page, 'online')
})

test('a tab that slept has everything once when it wakes, whether or not its connection survived', async (t) => {
  const network = await networkTo(t, server)
  const room = newRoom()
  const page = await talkingPage(t, { origin: `http://${network.address}`, room })
  await page.evaluate(() => window.room.send('before'))
  const devtools = await page.context().newCDPSession(page)
  const freeze = (state) => devtools.send('Page.setWebLifecycleState', { state })

  await freeze('frozen')
  await publish(room, numbers(20).map((i) => `asleep ${i}`))
  await freeze('active')
  await hasHeard(page, 21)

  await freeze('frozen')
  network.cut()
  await publish(room, numbers(20).map((i) => `asleep again ${i}`))
  network.restore()
  await freeze('active')
  await hasHeard(page, 41)
  await page.evaluate(() => window.room.send('awake'))
  await hasHeard(page, 42)
})

test('a page whose processor is slow keeps its place and its connection', async (t) => {
  const room = newRoom()
  const page = await talkingPage(t, { origin: server.url, room })
  await stateIs(page, 'online')
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: 20 })
  for (let i = 0; i < 10; i += 1) await publish(room, numbers(100).map((j) => `message ${i} ${j}`))
  await hasHeard(page, 1_000)
  assert.ok(!(await page.evaluate(() => window.states.some(({ state }) => state === 'offline'))))
})

test('a page comes back after kill -9 of the server', async (t) => {
  const mine = await startServer()
  t.after(() => mine.close())
  const page = await talkingPage(t, { origin: mine.url, room: 'general' })
  await page.evaluate(() => window.room.send('before'))
  await mine.kill9()
  await hasBeen(page, 'offline')
  await page.evaluate(() => {
    window.sent = window.room.send('while away')
  })
  await mine.start()
  assert.equal((await page.evaluate(() => window.sent)).seq, 2)
  await hasHeard(page, 2)
})

/** A web server with one empty page: another origin than the server's. */
async function otherOrigin(t) {
  const site = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><title>an app</title>'))
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise((resolve) => site.close(resolve)))
  // A server that only this machine reaches takes pages of this machine.
  return `http://elsewhere.example:${site.address().port}`
}

test('a page of an allowed origin loads the client from the server and connects', async (t) => {
  const origin = await otherOrigin(t)
  const mine = await startServer({ args: ['--allowed-origins', origin] })
  t.after(() => mine.close())
  const page = await talkingPage(t, { origin, path: '/', room: 'general', script: `${mine.url}/tutti.js`, url: `${mine.url}/ws` })
  assert.equal((await page.evaluate(() => window.room.send('from elsewhere'))).seq, 1)
  const { entries } = await page.evaluate(() => window.room.history())
  assert.deepEqual(entries.map(({ body }) => body.text), ['from elsewhere'])
})

test('a page of another origin is refused', async (t) => {
  const origin = await otherOrigin(t)
  let attempts = 0
  const page = await talkingPage(t, { origin, path: '/', room: newRoom(), script: `${server.url}/tutti.js`, url: `${server.url}/ws` })
  page.on('websocket', () => (attempts += 1))
  await until(() => attempts >= 2, 'the client has tried again')
  assert.ok(!(await page.evaluate(() => window.states.some(({ state }) => state === 'online'))))
})

for (const upgrades of [400, 502, 'drop']) {
  test(`a page behind a proxy where upgrades meet ${upgrades} takes part, and changes over once they pass`, async (t) => {
    const network = await hostileProxyTo(t, server, upgrades)
    const room = newRoom()
    const page = await talkingPage(t, { origin: `http://${network.address}`, room })
    const online = (transport) =>
      page.waitForFunction((transport) => window.tutti.getState().transport === transport && window.room.isJoined, transport)
    await online('stream')
    assert.ok(network.refused >= 2)
    assert.equal((await page.evaluate(() => window.room.send('by a stream'))).seq, 1)
    await publish(room, ['from elsewhere'])
    await hasHeard(page, 2)
    const present = await server.fetch(`/api/v1/rooms/${room}/presence`)
    assert.equal((await present.json()).users.length, 1)
    network.drop()
    await publish(room, ['while away'])
    await page.evaluate(() => window.room.send('back'))
    await hasHeard(page, 4)
    network.upgrades = 'pass'
    await online('websocket')
    await page.evaluate(() => window.room.send('by a WebSocket'))
    await hasHeard(page, 5)
  })
}
