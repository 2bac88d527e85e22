// The conversation beside the document, in a real browser.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import WebSocket from 'ws'
import { connect } from '../../static/client/tutti.js'
import { bePatient, openWindow, startBrowser, Window } from './support/browser.mjs'
import { networkTo } from './support/proxy.mjs'
import { startServer } from './support/server.mjs'
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

let documents = 0
const newDocument = () => `talk-${(documents += 1)}`

/** The conversation has a connection of its own, apart from the text's. */
const isInRoom = (window) => window.page.locator('[data-testid="conversation"][data-state="shown"]').waitFor({ state: 'attached' })

async function guest(t, name, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light', ...options })
  t.after(() => context.close())
  const window = await openWindow(context)
  await window.open(url)
  await isInRoom(window)
  return Object.assign(window, { name })
}

async function adaAndBob(t, url = `${server.url}/d/${newDocument()}`) {
  const [ada, bob] = await Promise.all([guest(t, 'Ada', url), guest(t, 'Bob', url)])
  for (const window of [ada, bob]) await window.callMyself(window.name)
  await Promise.all([ada.sees('Bob'), bob.sees('Ada')])
  return { ada, bob, url }
}

const unread = (window, count) => window.page.getByTestId('unread').filter({ hasText: new RegExp(`^${count}`) }).waitFor()
const isRead = (window) => window.page.getByTestId('unread').waitFor({ state: 'hidden' })

test('two people talk and type, and both see one order of both, also after a reload', async (t) => {
  const { ada, bob } = await adaAndBob(t)
  await ada.says('Shall we?')
  await ada.said('Shall we?')
  await bob.hears('Shall we?')
  await bob.type('A beginning. ')
  await bob.is('saved')
  await ada.historyNames('Bob')
  await bob.says('Begun <b>already</b>')
  await bob.said('Begun <b>already</b>')
  await ada.hears('Begun <b>already</b>')
  const expected = ['Shall we?', '✎', 'Begun <b>already</b>']
  for (const window of [ada, bob]) assert.deepEqual(await window.conversation(), expected)
  await ada.page.reload()
  await ada.hears('Begun <b>already</b>')
  assert.deepEqual(await ada.conversation(), expected)
  // Still known as the own one.
  await ada.said('Shall we?')
  assert.deepEqual([...ada.errors, ...bob.errors], [])
})

test('others are told who is typing, until the message is there', async (t) => {
  const { ada, bob } = await adaAndBob(t)
  const hasSaid = await bob.watch('typing')
  await ada.writes('Hello')
  await hasSaid('Ada is typing')
  await ada.page.getByTestId('message-field').press('Enter')
  await bob.hears('Hello')
  await bob.page.getByTestId('typing').getByText('Ada is typing').waitFor({ state: 'hidden' })
  assert.equal(await ada.page.getByTestId('typing').textContent(), '')
})

test('what is said while the conversation is closed is counted until one looks', async (t) => {
  const { ada, bob } = await adaAndBob(t)
  await bob.page.getByTestId('conversation-toggle').click()
  await ada.says('one')
  await ada.says('two')
  await unread(bob, 2)
  assert.match(await bob.page.title(), /^\(2\) /)
  await bob.page.getByTestId('conversation-toggle').click()
  await isRead(bob)
  await bob.hears('two')
  assert.doesNotMatch(await bob.page.title(), /^\(/)
})

test('who reads further up stays there, and is told that there is more below', async (t) => {
  const { ada, bob } = await adaAndBob(t)
  for (let i = 1; i <= 30; i += 1) await ada.says(`message ${i}`)
  await ada.said('message 30')
  await bob.hears('message 30')
  const scroll = bob.page.locator('.timeline')
  await until(() => scroll.evaluate((box) => box.scrollTop > 0 && box.scrollHeight - box.scrollTop - box.clientHeight < 2), 'the end is in view')
  await scroll.evaluate((box) => { box.scrollTop = 0 })
  await ada.says('one more')
  await bob.page.getByTestId('newer').click()
  await until(() => scroll.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 2), 'the end is in view again')
  await bob.page.getByTestId('newer').waitFor({ state: 'hidden' })
})

test('messages written without a connection are shown as waiting, and saved once when it is back, also over a reload', async (t) => {
  const network = await networkTo(t, server)
  const { ada, bob, url } = await adaAndBob(t, `http://${network.address}/d/${newDocument()}`)
  const direct = await guest(t, 'Carol', url.replace(network.address, new URL(server.url).host))
  network.cut()
  await ada.isOffline()
  await ada.says('while away')
  await ada.said('while away', 'sending')
  await ada.page.getByTestId('typing').getByText('Your messages wait here').waitFor()
  await ada.picture('conversation-offline')
  network.restore()
  await ada.said('while away')
  for (const window of [bob, direct]) await window.hears('while away')

  // The server has it, but its answer is lost; then the page is loaded anew. Before that once more, for a WebSocket: the connection may
  // have come back as an event stream, where a message waits for the answer to the typing before it.
  await ada.page.reload()
  await isInRoom(ada)
  network.loseAnswers()
  await ada.says('into the void')
  await ada.said('into the void', 'sending')
  await direct.hears('into the void')
  network.restore()
  await ada.page.reload()
  await ada.said('into the void')
  await bob.hears('into the void')
  for (const window of [ada, bob, direct]) assert.deepEqual(await window.conversation(), ['while away', 'into the void'])
})

test('a reloaded window stays the same guest, however long the page before it takes to go', async (t) => {
  const { ada } = await adaAndBob(t)
  await ada.says('It is me')
  await ada.said('It is me')
  const user = await ada.page.evaluate(() => JSON.parse(sessionStorage.getItem('tutti.guest')).user)
  // Stands for the page before: it holds the guest's lock until the reloaded page has waited for it, and longer than a duplicate would wait.
  const before = await ada.page.context().newPage()
  bePatient(before)
  await before.goto(`${server.url}/healthz`)
  const released = before.evaluate(async (name) => {
    await navigator.locks.request(name, async () => {
      while (!(await navigator.locks.query()).pending.some((lock) => lock.name === name)) await new Promise((resolve) => setTimeout(resolve, 5))
      await new Promise((resolve) => setTimeout(resolve, 1_000))
    })
  }, `tutti.guest.${user}`)
  await ada.page.reload()
  await released
  await ada.said('It is me')
  assert.equal(await ada.page.evaluate(() => JSON.parse(sessionStorage.getItem('tutti.guest')).user), user)
})

test('a duplicate of a window is another guest, and does not send what waits in the first', async (t) => {
  const network = await networkTo(t, server)
  const { ada, bob } = await adaAndBob(t, `http://${network.address}/d/${newDocument()}`)
  network.loseAnswers()
  await ada.says('once')
  await ada.said('once', 'sending')
  network.restore()
  // A window that a page opens begins with a copy of its storage, as a duplicated tab does.
  const opened = ada.page.context().waitForEvent('page')
  await ada.page.evaluate(() => { open(location.href) })
  const duplicate = new Window(await opened)
  await duplicate.isLive()
  for (const window of [ada, bob, duplicate]) {
    await window.hears('once')
    await window.isLive()
  }
  await ada.said('once')
  // What the duplicate says comes after all that it had to send.
  await duplicate.says('from the duplicate')
  for (const window of [ada, bob, duplicate]) {
    await window.hears('from the duplicate')
    assert.deepEqual(await window.conversation(), ['once', 'from the duplicate'])
  }
})

test('the conversation goes on after kill -9 of the server', async (t) => {
  const { ada, bob } = await adaAndBob(t)
  await ada.says('before')
  await bob.hears('before')
  await server.kill9()
  await ada.isOffline()
  await ada.says('while it was away')
  await ada.said('while it was away', 'sending')
  await server.start()
  await ada.said('while it was away')
  await bob.hears('while it was away')
  for (const window of [ada, bob]) assert.deepEqual(await window.conversation(), ['before', 'while it was away'])
})

test('someone who comes by a plain WebSocket is here for all, and talks with them', async (t) => {
  const document = newDocument()
  const { ada, url } = await adaAndBob(t, `${server.url}/d/${document}`)
  const answer = await server.fetch('/demo/token', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Metronome' }),
  })
  const { token } = await answer.json()
  const tutti = connect(`${server.url}/ws`, { token, WebSocket })
  t.after(() => tutti.close())
  await tutti.room(`demo/${document}`).send('tick')
  await ada.sees('Metronome')
  await ada.hears('tick')
  await until(async () => (await ada.page.getByTestId('people').getByTestId('person').count()) === 3, `three are at ${url}`)
  tutti.close()
  await ada.page.getByTestId('people').getByText('Metronome').waitFor({ state: 'hidden' })
})

test('under a new name the conversation goes on, and nothing is lost or doubled', async (t) => {
  const { ada, bob } = await adaAndBob(t)
  await ada.says('as Ada')
  await ada.said('as Ada')
  await ada.callMyself('Grace')
  await bob.sees('Grace')
  await ada.says('as Grace')
  await ada.said('as Grace')
  await bob.hears('as Grace')
  await ada.hears('as Ada')
  for (const window of [ada, bob]) assert.deepEqual(await window.conversation(), ['as Ada', 'as Grace'])
  await until(async () => (await bob.page.getByTestId('people').getByTestId('person').count()) === 2, 'nobody is here under the old name')
})

test('who takes another name while the answer to a message is lost has said it once', async (t) => {
  const network = await networkTo(t, server)
  const { ada, bob, url } = await adaAndBob(t, `http://${network.address}/d/${newDocument()}`)
  const direct = await guest(t, 'Carol', url.replace(network.address, new URL(server.url).host))
  // Only what comes by the connection is lost.
  await ada.page.route('**/demo/token', async (route) => route.fulfill({ response: await route.fetch({ url: `${server.url}/demo/token` }) }))
  network.loseAnswers()
  await ada.says('into the void')
  await direct.hears('into the void')
  await ada.callMyself('Grace')
  await ada.says('as whoever')
  network.restore()
  await direct.sees('Grace')
  await ada.said('as whoever')
  for (const window of [ada, bob, direct]) {
    await window.hears('as whoever')
    assert.deepEqual(await window.conversation(), ['into the void', 'as whoever'])
  }
})

test('older messages are read on demand', async (t) => {
  const { ada, url } = await adaAndBob(t)
  const answer = await server.fetch('/demo/token', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"Bot"}' })
  const { token } = await answer.json()
  const tutti = connect(`${server.url}/ws`, { token, WebSocket })
  t.after(() => tutti.close())
  const room = tutti.room(`demo/${new URL(url).pathname.slice('/d/'.length)}`)
  await Promise.all(Array.from({ length: 450 }, (_, i) => room.send(`message ${i + 1}`)))
  await ada.hears('message 450')
  await ada.page.reload()
  await ada.hears('message 450')
  await until(async () => (await ada.conversation()).length === 200, '200 messages are shown')
  for (const length of [400, 450]) {
    const scroll = ada.page.locator('.timeline')
    await scroll.evaluate((box) => { box.scrollTop = 0 })
    const [top] = await ada.conversation()
    await ada.page.getByTestId('conversation').getByText('Show older').click()
    await until(async () => (await ada.conversation()).length === length, `${length} messages are shown`)
    // What was on top stays in view.
    const isInView = () => ada.message(top).evaluate((row) => {
      const { top, bottom } = row.closest('.timeline').getBoundingClientRect()
      const at = row.getBoundingClientRect()
      return at.top < bottom && at.bottom > top
    })
    await until(isInView, `${top} is in view`)
  }
  await ada.page.getByTestId('conversation').getByText('Show older').waitFor({ state: 'hidden' })
})

test('on a phone the conversation is a sheet over the text, with a mark for what is new', async (t) => {
  const { ada, url } = await adaAndBob(t)
  for (const colorScheme of ['light', 'dark']) {
    const phone = await guest(t, 'Phone', url, { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true, colorScheme })
    await ada.says(`hello, ${colorScheme}`)
    await unread(phone, 1)
    await phone.picture(`phone-unread-${colorScheme}`)
    await phone.page.getByTestId('conversation-toggle').tap()
    await isRead(phone)
    await phone.says(`from the ${colorScheme} phone`)
    await phone.said(`from the ${colorScheme} phone`)
    await ada.hears(`from the ${colorScheme} phone`)
    await phone.picture(`phone-conversation-${colorScheme}`)
    const width = await phone.page.evaluate(() => document.documentElement.scrollWidth)
    assert.ok(width <= 390, `the page is ${width} px wide`)
    assert.deepEqual(phone.errors, [])
  }
})

test('the conversation can be used by keyboard alone, and incoming messages are spoken', async (t) => {
  const { ada, bob } = await adaAndBob(t)
  const { page } = ada
  await page.getByTestId('conversation-toggle').focus()
  await page.keyboard.press('Enter')
  assert.equal(await page.getByTestId('conversation-toggle').getAttribute('aria-expanded'), 'false')
  await page.keyboard.press('Enter')
  // Opened, it takes the focus.
  await page.keyboard.type('by keyboard')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.type('in two lines')
  await page.keyboard.press('Enter')
  await bob.page.getByTestId('message-text').filter({ hasText: /by keyboard\nin two lines/ }).waitFor()
  await bob.says('heard')
  await page.locator('#heard').getByText('Bob: heard').waitFor({ state: 'attached' })
  await page.getByRole('button', { name: /^Conversation, 2 here/ }).waitFor()
})
