// The dashboard in a real browser: the server's own figures, through a room.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import WebSocket from 'ws'
import { connect } from '../../static/client/tutti.js'
import { openWindow, startBrowser } from './support/browser.mjs'
import { onOneServer, startServer } from './support/server.mjs'
import { until } from './support/until.mjs'

let server
let browser
before(async () => {
  server = await startServer({ args: ['--demo'], isKeyless: true })
  browser = await startBrowser()
})
after(async () => {
  await browser?.close()
  await server?.close()
})

async function dashboard(t, options) {
  const context = await browser.newContext(options)
  t.after(() => context.close())
  const window = await openWindow(context)
  await window.open(`${server.url}/dashboard`)
  return window
}

const figure = (window, name) => window.page.locator(`[data-testid="figure"][data-figure="${name}"]`)
const valueOf = async (window, name) => Number(await figure(window, name).getAttribute('data-value'))
const shows = (window, name, isRight) =>
  until(async () => isRight(await valueOf(window, name)), `${name} is right`)

async function guestToken() {
  const answer = await server.fetch('/demo/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"Bot"}',
  })
  return (await answer.json()).token
}

test('it shows connections that come and go, and what they send', onOneServer('the figures are those of the server that is asked'), async (t) => {
  const window = await dashboard(t, { viewport: { width: 1280, height: 800 } })
  await shows(window, 'activeConnections', (value) => value === 1)
  await shows(window, 'memoryBytes', (value) => value > 1_000_000)
  const token = await guestToken()
  const bots = []
  t.after(() => bots.forEach((bot) => bot.close()))
  for (const wanted of [5, 12]) {
    while (bots.length < wanted) bots.push(connect(`${server.url}/ws`, { token, WebSocket }))
    await shows(window, 'activeConnections', (value) => value === wanted + 1)
  }
  const beat = setInterval(() => bots.forEach((bot) => bot.room('demo/bots').signal('bot.beat', { at: 1 })), 100)
  t.after(() => clearInterval(beat))
  await shows(window, 'messagesPerSecond', (value) => value > 50)
  await shows(window, 'averageMessageSizeBytes', (value) => value > 20)
  bots.forEach((bot) => bot.close())
  await shows(window, 'activeConnections', (value) => value === 1)
  await shows(window, 'disconnectRatePerMinute', (value) => value === 12)
  await window.picture('dashboard')
  assert.ok((await figure(window, 'activeConnections').locator('path.line').count()) >= 1)
  assert.match(await figure(window, 'activeConnections').locator('svg').getAttribute('aria-label'), /^Connections: 1 now, between 1 and 13 /)

  const stats = await server.fetch('/api/v1/stats', { as: token })
  const figures = await stats.json()
  assert.equal(figures.activeConnections, 1)
  assert.ok(Date.parse(figures.timestamp) > Date.now() - 30_000)
  assert.deepEqual(window.errors, [])
})

test('a request that is no handshake is no connection, and so none that ended', async (t) => {
  const mine = await startServer({ args: ['--demo'], isKeyless: true })
  t.after(() => mine.close())
  for (const path of ['/ws', '/hocuspocus', '/yjs/demo/a', '/echo']) {
    assert.equal((await fetch(mine.url + path)).status, 400, path)
  }
  const { token } = await (await fetch(`${mine.url}/demo/token`, { method: 'POST', body: '{"name":"Bot"}' })).json()
  const refusedAt = Date.now()
  const figures = await until(async () => {
    const newest = await (await fetch(`${mine.url}/api/v1/stats`, { headers: { authorization: `Bearer ${token}` } })).json()
    return Date.parse(newest.timestamp) > refusedAt && newest
  }, 'figures from after the refusals')
  assert.deepEqual([figures.activeConnections, figures.disconnectRatePerMinute], [0, 0])
})

test('it goes on by itself after the server was restarted, and after kill -9', async (t) => {
  const window = await dashboard(t)
  for (const end of ['stop', 'kill9']) {
    await shows(window, 'activeConnections', (value) => value >= 1)
    await server[end]()
    await window.isOffline()
    await server.start()
    await window.isLive()
    const backAt = Date.now()
    const newest = () => window.page.locator('body').getAttribute('data-at')
    await until(async () => Date.parse(await newest()) > backAt, 'figures come again')
  }
  assert.deepEqual(window.errors, [])
})

test('guests may read the figures, and only the server writes them', async (t) => {
  const tutti = connect(`${server.url}/ws`, { token: await guestToken(), WebSocket })
  t.after(() => tutti.close())
  const room = tutti.room('tutti/stats')
  await room.joined()
  await assert.rejects(room.send('forged'))
  await assert.rejects(room.publish('metric.update', { activeConnections: 1e9 }))
})

test('the pages are found with and without a slash at the end', async () => {
  for (const path of ['/dashboard', '/dashboard/', '/tiptap', '/tiptap/']) {
    const page = await fetch(server.url + path)
    assert.deepEqual([page.status, page.headers.get('content-type')], [200, 'text/html; charset=utf-8'], path)
  }
})

test('it fits a phone, in light and dark', async (t) => {
  for (const colorScheme of ['light', 'dark']) {
    const window = await dashboard(t, { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme })
    await shows(window, 'activeConnections', (value) => value >= 1)
    await window.picture(`dashboard-phone-${colorScheme}`)
    assert.ok((await window.page.evaluate(() => document.documentElement.scrollWidth)) <= 390)
  }
})
