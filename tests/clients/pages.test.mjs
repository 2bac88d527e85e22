// What both pages of the demo promise: the truth about the connection, roles, a text that outlives its tab, search, links, directions,
// a look at how it works; nothing that axe finds; and how much they weigh.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { openWindow, startBrowser } from './support/browser.mjs'
import { networkTo } from './support/proxy.mjs'
import { startServer } from './support/server.mjs'
import { until } from './support/until.mjs'

let server
let browser
before(async () => {
  server = await startServer({ args: ['--demo'] })
  browser = await startBrowser()
})
after(async () => {
  await browser?.close()
  await server?.close()
})

const DESKTOP = { viewport: { width: 1280, height: 800 }, colorScheme: 'light', locale: 'en-GB' }
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }
const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Both pages, and where one writes in them. */
const PAGES = [['/d/', '.cm-content'], ['/tiptap/', '.tiptap']]
let documents = 0
const newDocument = () => `page-${(documents += 1)}`

async function newContext(t, options = DESKTOP) {
  const context = await browser.newContext(options)
  t.after(() => context.close())
  return context
}

async function open(context, url) {
  const window = await openWindow(context)
  await window.open(url)
  return window
}

const says = (window, text) => window.page.getByTestId('saved').filter({ hasText: text }).waitFor()

async function write(window, field, text) {
  await window.focusText(field)
  await window.page.keyboard.insertText(text)
}

const contains = (window, field, text) => window.page.locator(field).filter({ hasText: text }).waitFor()

for (const [path, field] of PAGES) {
  test(`${path}: offline is shown at the browser's word, with the age of what is not saved`, async (t) => {
    const network = await networkTo(t, server)
    const window = await open(await newContext(t), `http://${network.address}${path}${newDocument()}`)
    await write(window, field, 'before ')
    await window.is('saved')
    network.silence()
    await window.page.evaluate(() => window.dispatchEvent(new Event('offline')))
    await window.isOffline()
    await write(window, field, 'while away')
    await says(window, /^Offline – not saved: \d+ s$/)
    await window.page.getByTestId('status').click()
    await window.page.getByTestId('standing-details').getByText('kept in this browser').waitFor()
    await window.picture(`offline${path.replaceAll('/', '-')}`)
    network.restore()
    await window.page.evaluate(() => window.dispatchEvent(new Event('online')))
    await window.is('saved')
    await says(window, /^Saved$/)
  })

  test(`${path}: a line that goes silent while something is saved is found out without the browser's word`, async (t) => {
    const network = await networkTo(t, server)
    const window = await open(await newContext(t), `http://${network.address}${path}${newDocument()}`)
    await write(window, field, 'before ')
    await window.is('saved')
    network.silence()
    await write(window, field, 'into the void')
    await window.isOffline()
    await says(window, /^Offline – not saved: \d+ s$/)
    network.restore()
  })

  test(`${path}: a link to view opens a page in which nothing can be typed, not even before the first answer`, async (t) => {
    const context = await newContext(t)
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    const ada = await open(context, `${server.url}${path}${newDocument()}`)
    await write(ada, field, 'for all to read')
    await ada.is('saved')
    await ada.page.getByTestId('share').click()
    await ada.page.getByTestId('copy-view-link').click()
    const link = await ada.page.evaluate(() => navigator.clipboard.readText())
    const rita = await openWindow(context)
    const editable = []
    await rita.page.exposeFunction('noteEditable', (value) => editable.push(value))
    await rita.page.addInitScript(() => {
      new MutationObserver(() => {
        for (const element of document.querySelectorAll('[contenteditable="true"]')) window.noteEditable(element.className)
      }).observe(document, { subtree: true, childList: true, attributes: true })
    })
    await rita.open(link)
    await contains(rita, field, 'for all to read')
    await says(rita, /^View only$/)
    await rita.page.locator(field).click()
    await rita.page.keyboard.type('no')
    assert.deepEqual(editable, [])
    await rita.page.getByTestId('typing').getByText('You have view-only access.').waitFor()
    assert.equal(await rita.page.getByTestId('message-field').isVisible(), false)
    // And the token is what it says: the server itself refuses.
    const stored = await rita.page.evaluate(() => JSON.parse(sessionStorage.getItem('tutti.guest.view')))
    const room = `demo${new URL(link).pathname.replace('/d', '')}`
    const refused = await server.fetch(`/api/v1/rooms/${room}/messages`, { method: 'POST', as: stored.token, body: '{"text":"no"}' })
    assert.equal(refused.status, 403)
    await rita.picture(`reader${path.replaceAll('/', '-')}`)

    await ada.page.getByTestId('copy-edit-link').click()
    const editor = await open(context, await ada.page.evaluate(() => navigator.clipboard.readText()))
    await write(editor, field, 'and write ')
    await contains(rita, field, 'and write')
    assert.deepEqual([...ada.errors, ...rita.errors, ...editor.errors], [])
  })

  test(`${path}: what was typed without the server outlives the closed tab`, async (t) => {
    const mine = await startServer({ args: ['--demo'] })
    t.after(() => mine.close())
    const context = await newContext(t)
    const url = `${mine.url}${path}${newDocument()}`
    const ada = await open(context, url)
    await write(ada, field, 'Saved. ')
    await ada.is('saved')
    await mine.kill9()
    await ada.isOffline()
    await write(ada, field, 'Only here. ')
    await ada.is('unsaved')
    await ada.page.close({ runBeforeUnload: false })
    await mine.start()
    const again = await open(context, url)
    await contains(again, field, 'Only here.')
    await again.is('saved')
    const other = await open(await newContext(t), url)
    await contains(other, field, 'Only here.')
  })

  test(`${path}: each paragraph has its own direction, addresses open, and the heading is the title`, async (t) => {
    const window = await open(await newContext(t), `${server.url}${path}${newDocument()}`)
    await window.focusText(field)
    for (const line of ['# Programme', 'Left to right', 'مرحبا بكم. متى؟', 'https://example.com/lake ']) {
      await window.page.keyboard.type(line, { delay: 2 })
      await window.page.keyboard.press('Enter')
    }
    await window.page.waitForFunction(() => document.title.startsWith('Programme · '))
    const direction = (text) => window.page.locator(`${field} [dir="auto"]`).filter({ hasText: text }).first().evaluate((line) => getComputedStyle(line).direction)
    assert.equal(await direction('Left to right'), 'ltr')
    assert.equal(await direction('مرحبا'), 'rtl')
    await window.page.context().route('https://example.com/**', (route) => route.fulfill({ body: 'a lake' }))
    const popup = window.page.waitForEvent('popup')
    await window.page.locator(field).getByText('https://example.com/lake').click({ modifiers: ['ControlOrMeta'] })
    await (await popup).waitForURL('https://example.com/lake')
    await window.says('Look: https://example.com/lake, please')
    assert.equal(await window.message('Look: https://example.com/lake, please').getByRole('link').getAttribute('href'), 'https://example.com/lake')
    await window.picture(`directions${path.replaceAll('/', '-')}`)
  })

  test(`${path}: the drawer shows the frames that pass, and code to copy`, async (t) => {
    const window = await open(await newContext(t), `${server.url}${path}${newDocument()}`)
    await window.page.getByTestId('works').click()
    const frames = window.page.getByTestId('frames')
    await frames.getByText('room.joined').first().waitFor()
    await write(window, field, 'typed')
    await frames.getByText('update', { exact: true }).first().waitFor()
    await window.says('said')
    await frames.getByText(/chat\.message #\d+/).first().waitFor()
    assert.match(await window.page.getByTestId('works-seq').textContent(), /^at seq \d+$/)
    assert.doesNotMatch(await frames.innerHTML(), /eyJ/, 'no token is shown')
    assert.match(await window.page.getByTestId('code').textContent(), /Provider/)
    await window.picture(`works${path.replaceAll('/', '-')}`)
    assert.deepEqual(window.errors, [])
  })

  test(`${path}: a second window opens beside this one`, async (t) => {
    const ada = await open(await newContext(t), `${server.url}${path}${newDocument()}`)
    await ada.page.getByTestId('share').click()
    const popup = ada.page.waitForEvent('popup')
    await ada.page.getByTestId('second-window').click()
    const second = await popup
    await second.locator('[data-testid="status"][data-state="live"]').waitFor()
    await until(async () => (await ada.page.getByTestId('person').count()) === 2, 'two people are here')
  })

  for (const [device, options] of [['desktop', DESKTOP], ['phone', PHONE]]) {
    test(`${path}: axe finds nothing on a ${device}, in light and dark, with all that opens, for writers and readers`, async (t) => {
      const name = newDocument()
      const context = await newContext(t, { ...options, bypassCSP: true, reducedMotion: 'reduce' })
      const window = await open(context, server.url + path + name)
      await write(window, field, 'A text with https://example.com in it')
      await window.is('saved')
      const page = window.page
      if (device === 'phone') {
        await page.getByTestId('conversation-toggle').click()
        await window.says('A message')
        await window.said('A message')
        await checked(window, `${device}, conversation`)
        await page.locator('.side-panel .panel-close').click()
      } else {
        await window.says('A message')
        await window.said('A message')
        await page.getByTestId('works').click()
      }
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme })
        await checked(window, `${device}, ${colorScheme}`)
        await page.getByTestId('share').click()
        await checked(window, `${device}, ${colorScheme}, share`)
        await page.keyboard.press('Escape')
        await page.getByTestId('status').click()
        await checked(window, `${device}, ${colorScheme}, details`)
        await page.keyboard.press('Escape')
        await window.picture(`axe${path.replaceAll('/', '-')}${device}-${colorScheme}`)
      }
      const reader = await open(context, `${server.url}${path}${name}?view`)
      await says(reader, /^View only$/)
      await checked(reader, `${device}, reader`)
      const width = await page.evaluate(() => document.documentElement.scrollWidth)
      assert.ok(width <= options.viewport.width, `the page is ${width} px wide`)
      assert.deepEqual([...window.errors, ...reader.errors], [])
    })
  }
}

async function checked({ page }, where) {
  // Whatever fades in is judged when it is there.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().filter((a) => a instanceof CSSTransition).map(({ finished }) => finished)))
  await page.evaluate(AXE)
  const { violations } = await page.evaluate(() => window.axe.run())
  const found = violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary}`))
  assert.deepEqual(found, [], where)
}

test('the dashboard: axe finds nothing', async (t) => {
  const page = await (await newContext(t, { ...DESKTOP, bypassCSP: true, reducedMotion: 'reduce' })).newPage()
  await page.goto(`${server.url}/dashboard`)
  await page.locator('[data-testid="status"][data-state="live"]').waitFor()
  await checked({ page }, 'dashboard')
})

test('/d/: search finds what lies outside the view', async (t) => {
  const window = await open(await newContext(t), `${server.url}/d/${newDocument()}`)
  await write(window, '.cm-content', `${'line\n'.repeat(300)}needle\n${'line\n'.repeat(300)}`)
  await window.page.keyboard.press('Control+Home')
  assert.equal(await window.page.getByText('needle').count(), 0)
  await window.page.keyboard.press('Control+f')
  await window.page.keyboard.type('needle')
  await window.page.keyboard.press('Enter')
  await window.page.locator('.cm-content').getByText('needle').waitFor()
})

test('/tiptap/: a menu stands over selected text, and makes links', async (t) => {
  const window = await open(await newContext(t), `${server.url}/tiptap/${newDocument()}`)
  await window.page.locator('.tiptap .is-editor-empty').waitFor()
  await write(window, '.tiptap', 'selected')
  await window.page.locator('.tiptap p').dblclick({ position: { x: 20, y: 10 } })
  const bubble = window.page.getByTestId('bubble')
  await bubble.getByRole('button', { name: 'Bold' }).click()
  await window.page.locator('.tiptap strong').getByText('selected').waitFor()
  await bubble.getByRole('button', { name: 'Link' }).click()
  await bubble.getByLabel('Link address').fill('example.com')
  await bubble.getByLabel('Link address').press('Enter')
  assert.equal(await window.page.locator('.tiptap a').getAttribute('href'), 'https://example.com')
  await window.picture('bubble')
})

const gzip = { 'accept-encoding': 'gzip' }

test('a page’s scripts are at most 180 KiB compressed, and come compressed as they were built', async () => {
  // Of no fixed length if it were compressed for each request; the test below reads its ETag.
  const client = await server.fetch('/tutti.js', { as: null, headers: gzip })
  assert.equal(client.headers.get('content-encoding'), 'gzip')
  const clientBytes = Number(client.headers.get('content-length'))
  assert.ok(clientBytes > 0)
  for (const path of ['/d/hello', '/tiptap/hello']) {
    const html = await (await server.fetch(path, { as: null })).text()
    const script = /<script type="module" src="([^"]+)"/.exec(html)[1]
    const response = await server.fetch(script, { as: null, headers: gzip })
    const bytes = Number(response.headers.get('content-length'))
    assert.equal(response.headers.get('content-encoding'), 'gzip')
    assert.match(response.headers.get('cache-control'), /immutable/)
    assert.ok(bytes > 0 && bytes + clientBytes <= 180 * 1024, `${path}: ${bytes} bytes, and ${clientBytes} of /tutti.js`)
    const plain = await server.fetch(script, { as: null, headers: { 'accept-encoding': 'identity' } })
    assert.equal(plain.headers.get('content-encoding'), null)
    assert.equal(await plain.text(), await response.text())
  }
})

test('what a browser has is confirmed in a few bytes', async () => {
  for (const path of ['/tutti.js', '/tutti-history.js', '/tutti.d.ts', '/d/hello', '/tiptap/hello', '/dashboard']) {
    const first = await server.fetch(path, { as: null, headers: gzip })
    assert.equal(first.status, 200)
    const etag = first.headers.get('etag')
    const again = await server.fetch(path, { as: null, headers: { ...gzip, 'if-none-match': etag } })
    assert.deepEqual([again.status, await again.text()], [304, ''], path)
    const changed = await server.fetch(path, { as: null, headers: { 'if-none-match': 'W/"another"' } })
    assert.equal(changed.status, 200)
  }
})
