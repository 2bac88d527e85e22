// The demo in a real browser: what a newcomer sees who opens the printed link in two windows.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openWindow, startBrowser } from './support/browser.mjs'
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

/** Two windows of one browser on one new document, by two people. */
async function twoWindows(t) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light' })
  t.after(() => context.close())
  const name = `two-windows-${(documents += 1)}`
  const url = `${server.url}/d/${name}`
  const windows = await Promise.all([openWindow(context), openWindow(context)])
  for (const [i, window] of windows.entries()) {
    await window.open(url)
    await window.callMyself(['Ada', 'Bob'][i])
  }
  const [ada, bob] = windows
  await Promise.all([ada.sees('Bob'), bob.sees('Ada')])
  return { ada, bob, name, url }
}

async function haveEqualTexts(windows, isDone) {
  let texts
  await until(
    async () => {
      texts = await Promise.all(windows.map((window) => window.content()))
      return texts.every((text) => text === texts[0]) && isDone(texts[0])
    },
    'the windows hold one text',
    { state: () => texts },
  )
  return texts[0]
}

const letters = (text, pattern) => text.match(pattern)?.join('') ?? ''

test('two windows type at once into one document, and everything is kept', async (t) => {
  const { ada, bob, name } = await twoWindows(t)
  await Promise.all([ada.type('abcdefghijklm'.repeat(4)), bob.type('NOPQRSTUVWXYZ'.repeat(4))])
  const text = await haveEqualTexts([ada, bob], (content) => content.length === 104)
  // Whatever the mixture, each person's letters stand in the order in which they were typed.
  assert.equal(letters(text, /[a-z]/g), 'abcdefghijklm'.repeat(4))
  assert.equal(letters(text, /[A-Z]/g), 'NOPQRSTUVWXYZ'.repeat(4))
  await Promise.all([ada.seesCursorOf('Bob'), bob.seesCursorOf('Ada')])
  await Promise.all([ada.is('saved'), bob.is('saved')])
  await Promise.all([ada.historyNames('You'), ada.historyNames('Bob'), bob.historyNames('You'), bob.historyNames('Ada')])
  await ada.lists(name)

  await ada.page.reload()
  await ada.isLive()
  await haveEqualTexts([ada, bob], (content) => content === text)
  await ada.seesCursorOf('Bob')
  assert.match(await ada.page.title(), new RegExp(name))
  assert.deepEqual([...ada.errors, ...bob.errors], [])
})

test('what is typed while the server is away is said to be unsaved, and saved when it is back', async (t) => {
  const { ada, bob, url } = await twoWindows(t)
  await ada.type('before, ')
  await haveEqualTexts([ada, bob], (content) => content === 'before, ')
  await ada.is('saved')
  await server.kill9()
  await ada.isOffline()
  await ada.type('while away')
  await ada.is('unsaved')
  await server.start()
  await Promise.all([ada.isLive(), bob.isLive()])
  await ada.is('saved')
  await haveEqualTexts([ada, bob], (content) => content === 'before, while away')

  const context = await browser.newContext()
  t.after(() => context.close())
  const carol = await openWindow(context)
  await carol.open(url)
  await haveEqualTexts([ada, carol], (content) => content === 'before, while away')
  assert.deepEqual([...ada.errors, ...bob.errors, ...carol.errors], [])
})

test('the first page leads into a document, and a new one can be made', async (t) => {
  const context = await browser.newContext()
  t.after(() => context.close())
  const window = await openWindow(context)
  const refused = []
  window.page.on('response', (response) => response.status() >= 400 && refused.push(response.url()))
  await window.open(server.url)
  const first = window.page.url()
  assert.match(first, /\/d\/[^/]+/)
  await window.page.getByTestId('new-document').click()
  await window.page.waitForURL((url) => url.href !== first && url.pathname.startsWith('/d/'))
  await window.isLive()
  await window.type('a new document')
  await window.is('saved')
  await window.lists(decodeURIComponent(new URL(window.page.url()).pathname.slice('/d/'.length)))
  assert.deepEqual([...window.errors, ...refused], [])
})

test('the demo is usable in light and dark, on a desktop and on a phone', async (t) => {
  const { ada, bob, url } = await twoWindows(t)
  await ada.type('# A programme\n\nWe play **outdoors** this year.\n')
  await bob.press('Control+End')
  await bob.type('- Overture, *everyone*')
  await haveEqualTexts([ada, bob], (content) => content.includes('everyone'))
  await ada.is('saved')
  await ada.picture('desktop-light')
  await ada.page.emulateMedia({ colorScheme: 'dark' })
  await ada.picture('desktop-dark')

  for (const colorScheme of ['light', 'dark']) {
    const context = await browser.newContext({
      viewport: { width: 390, height: 844 },
      deviceScaleFactor: 2,
      hasTouch: true,
      isMobile: true,
      colorScheme,
    })
    t.after(() => context.close())
    const phone = await openWindow(context)
    await phone.open(url)
    await phone.seesCursorOf('Bob')
    const width = await phone.page.evaluate(() => document.documentElement.scrollWidth)
    assert.ok(width <= 390, `the page is ${width} px wide on a phone`)
    await phone.picture(`phone-${colorScheme}`)
    assert.deepEqual(phone.errors, [])
  }
})
