// The history panel of the demo in a real browser.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import * as Y from 'yjs'
import { startBrowser, Window } from './support/browser.mjs'
import { startServer } from './support/server.mjs'
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

const DESKTOP = { viewport: { width: 1280, height: 800 }, colorScheme: 'light' }
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

async function guest(name) {
  const response = await server.fetch('/demo/token', {
    method: 'POST', as: null, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name }),
  })
  return (await response.json()).token
}

let rooms = 0

/** A document that guests write over HTTP, each with a Yjs client of their own. */
class Written {
  #docs = new Map()

  constructor(prefix) {
    this.name = `past-${(rooms += 1)}`
    this.room = `demo/${prefix}${this.name}`
  }

  async by(token, change) {
    const known = this.#docs.get(token) ?? new Y.Doc()
    for (const other of this.#docs.values()) Y.applyUpdate(known, Y.encodeStateAsUpdate(other))
    this.#docs.set(token, known)
    const before = Y.encodeStateVector(known)
    known.transact(() => change(known))
    const body = Y.encodeStateAsUpdate(known, before)
    const response = await server.fetch(`/api/v1/rooms/${this.room}/document`, { method: 'POST', body, as: token })
    assert.ok(response.ok, await response.text())
  }
}

/** `# Concert`, by Ada in three edits; then Bob makes `nine` of `eight`. */
async function concert() {
  const [ada, bob] = await Promise.all([guest('Ada'), guest('Bob')])
  const written = new Written('')
  for (const text of ['# Concert\n', '\nDoors open ', 'at eight']) await written.by(ada, (doc) => doc.getText('content').insert(doc.getText('content').length, text))
  await written.by(bob, (doc) => {
    const text = doc.getText('content')
    const at = text.toString().indexOf('eight')
    text.delete(at, 5)
    text.insert(at, 'nine')
  })
  return { ...written, ada, bob }
}

class HistoryWindow extends Window {
  slider = this.page.getByTestId('history-slider')
  document = this.page.getByTestId('history-document')

  async look() {
    await this.page.getByTestId('history-open').click()
    await this.row('session').first().waitFor({ state: 'attached' })
  }

  /** The document as the panel shows it. */
  async shown() {
    return this.document.evaluate((sheet) => [...sheet.children].map((block) => block.textContent).join('\n'))
  }

  async shows(text) {
    let shown
    await until(async () => (shown = await this.shown()) === text, `the panel shows ${text}`, { state: () => shown })
  }

  row(kind) {
    return this.page.locator(`[data-testid="history-row"][data-kind="${kind}"]`)
  }
}

async function openWindow(t, path, options = DESKTOP) {
  const context = await browser.newContext(options)
  t.after(() => context.close())
  const window = new HistoryWindow(await context.newPage())
  await window.open(server.url + path)
  return window
}

test('trap 38: the slider shows the document as it was, whose it was, and asks the server nothing more', async (t) => {
  const { name } = await concert()
  const window = await openWindow(t, `/d/${name}`)
  await window.look()
  await window.shows('# Concert\n\nDoors open at nine')
  const requests = []
  window.page.on('request', (request) => requests.push(request.url()))
  const authors = () => window.document.locator('.run').evaluateAll((runs) => runs.map(({ className, textContent }) => [/by-\d/.exec(className)[0], textContent]))
  assert.deepEqual(await authors(), [['by-0', '# Concert'], ['by-0', 'Doors open at '], ['by-1', 'nine']])

  for (const [key, text, step] of [
    ['ArrowLeft', '# Concert\n\nDoors open at eight', '3'], ['ArrowLeft', '# Concert\n\nDoors open ', '2'], ['Home', '', '0'], ['ArrowLeft', '', '0'],
    ['ArrowRight', '# Concert\n', '1'], ['End', '# Concert\n\nDoors open at nine', '4'], ['ArrowRight', '# Concert\n\nDoors open at nine', '4'],
  ]) {
    await window.page.keyboard.press(key)
    await window.shows(text)
    assert.equal(await window.slider.inputValue(), step)
  }
  // What a screen reader says.
  assert.match(await window.slider.getAttribute('aria-valuetext'), /, Bob, step 4 of 4$/)
  await window.slider.press('Home')
  await until(async () => /^Before the first word, step 0 of 4$/.test(await window.slider.getAttribute('aria-valuetext')), 'the beginning is told')
  await window.picture('history-beginning')
  await window.slider.press('Space')
  await window.shows('# Concert\n\nDoors open at nine')
  await window.page.getByRole('button', { name: 'Play' }).waitFor()
  assert.deepEqual(requests, [])
  await window.picture('history')
  await window.page.keyboard.press('Escape')
  await window.page.getByTestId('history').waitFor({ state: 'detached' })
  assert.equal(await window.page.evaluate(() => document.activeElement.dataset.testid), 'history-open', 'the focus is back')
  assert.deepEqual(window.errors, [])
})

test('a version is named, compared with now, renamed and restored, for everybody', async (t) => {
  const { name } = await concert()
  const [window, other] = [await openWindow(t, `/d/${name}`), await openWindow(t, `/d/${name}`)]
  await window.look()
  await window.page.keyboard.press('ArrowLeft')
  await window.shows('# Concert\n\nDoors open at eight')
  await window.page.getByTestId('history-name-version').click()
  await window.page.getByTestId('history-name').fill('To the printer')
  await window.page.getByTestId('history-confirm').click()
  await window.row('version').filter({ hasText: 'To the printer' }).waitFor()

  await window.page.keyboard.press('End')
  await window.row('version').click()
  await window.page.getByTestId('history-compare').selectOption({ label: 'Now' })
  const changes = () => window.document.locator('ins, del').evaluateAll((runs) => runs.map(({ tagName, textContent }) => `${tagName} ${textContent}`).sort())
  await until(async () => (await changes()).length > 0, 'differences are shown')
  assert.deepEqual(await changes(), ['DEL eight', 'INS nine'])
  await window.page.getByTestId('history-caption').getByText('+4 characters').waitFor()
  assert.match(await window.page.getByTestId('history-caption').textContent(), /^From (today|yesterday), .+ to now · /)
  await window.picture('history-compare')

  await window.page.getByRole('button', { name: 'Rename To the printer' }).click()
  await window.page.getByTestId('history-name').fill('Printed')
  await window.page.getByTestId('history-confirm').click()
  await window.row('version').filter({ hasText: 'Printed' }).click()

  await window.page.getByTestId('history-restore').click()
  await window.page.getByTestId('history-note').getByText('5 characters will come back, 4 characters will go.').waitFor()
  await window.picture('history-restore')
  await window.page.getByTestId('history-confirm').click()
  await window.page.getByTestId('history').waitFor({ state: 'detached' })
  const reads = (one) => until(async () => (await one.content()) === '# Concert\n\nDoors open at eight', 'all read what is restored')
  await Promise.all([reads(window), reads(other)])

  await window.look()
  await window.shows('# Concert\n\nDoors open at eight')
  const last = await window.document.locator('.run').last().evaluate(({ className, textContent }) => [/by-\d/.exec(className)[0], textContent])
  assert.deepEqual(last, ['by-0', 'eight'], 'what comes back is still Ada’s')
  await window.page.getByRole('button', { name: 'Rename Printed' }).click()
  await window.page.getByRole('button', { name: 'Remove the name' }).click()
  await window.row('version').waitFor({ state: 'detached' })
  assert.deepEqual([...window.errors, ...other.errors], [])
})

test('what cannot be done is said, and can be tried again', async (t) => {
  const { name } = await concert()
  const window = await openWindow(t, `/d/${name}`)
  const refuse = (route) => route.fulfill({ status: 503, json: { error: { code: 'try_later', message: 'the history takes too long to read now' } } })
  await window.page.route('**/replay?*', refuse)
  await window.page.getByTestId('history-open').click()
  await window.page.getByRole('alert').getByText('the history takes too long to read now').waitFor()
  await window.page.unroute('**/replay?*', refuse)
  await window.page.getByRole('button', { name: 'Try again' }).click()
  await window.shows('# Concert\n\nDoors open at nine')

  const nameIt = async () => {
    await window.page.getByTestId('history-name-version').click()
    await window.page.getByTestId('history-name').fill('Twice')
    await window.page.getByTestId('history-confirm').click()
  }
  await nameIt()
  await window.row('version').waitFor()
  await nameIt()
  await window.page.getByRole('alert').getByText('the seq has a version of that name already').waitFor()
  await window.page.getByRole('button', { name: 'Cancel' }).click()
  await window.page.getByTestId('history-name').waitFor({ state: 'detached' })
  assert.deepEqual(window.errors, [])
})

test('whoever may only read is not offered the history', async (t) => {
  const { name } = await concert()
  const reader = await openWindow(t, `/d/${name}?view`)
  await reader.page.locator('.cm-content').getByText('nine').waitFor()
  // The room is joined where others are seen.
  await reader.page.getByTestId('person').first().waitFor()
  assert.equal(await reader.page.getByTestId('history-open').isVisible(), false)
})

test('trap 38: a document without any edit has an empty history', async (t) => {
  const window = await openWindow(t, '/d/never-written')
  await window.page.getByTestId('history-open').click()
  await window.page.getByRole('alert').getByText('No history yet').waitFor()
  await window.page.getByTestId('history-close').click()
  await window.page.getByTestId('history').waitFor({ state: 'detached' })
  assert.deepEqual(window.errors, [])
})

test('trap 38: a document of one edit has a beginning and an end', async (t) => {
  const written = new Written('')
  await written.by(await guest('Ada'), (doc) => doc.getText('content').insert(0, 'Concert'))
  const window = await openWindow(t, `/d/${written.name}`)
  await window.look()
  for (const [key, text, step] of [['End', 'Concert', '1'], ['ArrowRight', 'Concert', '1'], ['ArrowLeft', '', '0'], ['ArrowLeft', '', '0'], ['End', 'Concert', '1']]) {
    await window.slider.press(key)
    await window.shows(text)
    assert.equal(await window.slider.inputValue(), step)
  }
  assert.equal(await window.row('session').count(), 1)
  assert.deepEqual(window.errors, [])
})

test('rich text is shown with its blocks and formats, and compared with them', async (t) => {
  const ada = await guest('Ada')
  const written = new Written('tiptap/')
  const fragment = (doc) => doc.getXmlFragment('default')
  const block = (name, text, attributes = {}) => {
    const element = new Y.XmlElement(name)
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
    element.insert(0, [new Y.XmlText(text)])
    return element
  }
  await written.by(ada, (doc) => fragment(doc).insert(0, [block('heading', 'Concert', { level: 1 }), block('paragraph', 'Doors open at eight')]))
  await written.by(ada, (doc) => fragment(doc).get(0).setAttribute('level', 2))
  await written.by(ada, (doc) => fragment(doc).get(1).get(0).format(14, 5, { bold: {} }))
  await written.by(ada, (doc) => {
    const quote = new Y.XmlElement('blockquote')
    quote.insert(0, [block('paragraph', 'Bring a friend')])
    fragment(doc).push([quote])
  })
  const window = await openWindow(t, `/tiptap/${written.name}`)
  await window.look()
  await window.document.locator('blockquote').getByText('Bring a friend').waitFor()
  assert.deepEqual(await window.document.locator(':scope > *').evaluateAll((blocks) => blocks.map(({ tagName }) => tagName)), ['H2', 'P', 'BLOCKQUOTE'])
  assert.equal(await window.document.locator('.bold').textContent(), 'eight')
  await window.picture('history-tiptap')
  await window.page.keyboard.press('Home')
  await window.page.keyboard.press('ArrowRight')
  await window.document.locator('h1').waitFor()
  assert.equal(await window.document.locator('.bold').count(), 0)
  await window.page.getByTestId('history-compare').selectOption({ label: 'Now' })
  await window.document.locator('h2.changed').waitFor()
  assert.equal(await window.document.locator('.run.changed').textContent(), 'eight')
  assert.equal(await window.document.locator('blockquote.after ins').textContent(), 'Bring a friend')
  await window.picture('history-tiptap-compare')
  assert.deepEqual(window.errors, [])
})

test('text that an editor writes anew is compared as the same text', async (t) => {
  const [ada, bob] = await Promise.all([guest('Ada'), guest('Bob')])
  const written = new Written('tiptap/')
  const fragment = (doc) => doc.getXmlFragment('default')
  const block = (name, text, attributes = {}) => {
    const element = new Y.XmlElement(name)
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
    element.insert(0, [new Y.XmlText(text)])
    return element
  }
  await written.by(ada, (doc) => fragment(doc).insert(0, [block('paragraph', 'Concert'), block('paragraph', 'Doors open at eight. Bring a friend.')]))
  // As y-prosemirror does it: a heading, and Enter within the other paragraph.
  await written.by(bob, (doc) => doc.transact(() => {
    fragment(doc).delete(0, 1)
    fragment(doc).insert(0, [block('heading', 'Concert', { level: 1 })])
  }))
  await written.by(bob, (doc) => doc.transact(() => {
    fragment(doc).get(1).get(0).delete(21, 15)
    fragment(doc).insert(2, [block('paragraph', 'Bring a friend.')])
  }))
  await written.by(ada, (doc) => fragment(doc).get(1).get(0).insert(10, ' not'))
  const window = await openWindow(t, `/tiptap/${written.name}`)
  await window.look()
  await window.page.keyboard.press('Home')
  await window.page.keyboard.press('ArrowRight')
  await window.page.getByTestId('history-compare').selectOption({ label: 'Now' })
  await window.document.locator('h1.changed').getByText('Concert').waitFor()
  const blocks = await window.document.locator(':scope > *').evaluateAll((all) => all.map((block) => [block.tagName, block.className, block.textContent]))
  assert.deepEqual(blocks, [['H1', 'block changed', 'Concert'], ['P', 'block', 'Doors open not at eight. '], ['P', 'block changed', 'Bring a friend.']])
  assert.deepEqual(await window.document.locator('ins, del').allTextContents(), [' not'])
  await window.picture('history-tiptap-moved')
  assert.deepEqual(window.errors, [])
})

test('trap 38: right-to-left text, and the panel on a phone', async (t) => {
  const [ada, bob] = await Promise.all([guest('Ada'), guest('Bob')])
  const written = new Written('')
  const at = (doc) => doc.getText('content')
  await written.by(ada, (doc) => at(doc).insert(0, 'مرحبا بالعالم\n'))
  await written.by(bob, (doc) => at(doc).insert(at(doc).length, 'and hello'))
  const phone = await openWindow(t, `/d/${written.name}`, PHONE)
  await phone.look()
  await phone.shows('مرحبا بالعالم\nand hello')
  const directions = await phone.document.locator(':scope > *').evaluateAll((lines) => lines.map((line) => getComputedStyle(line).direction))
  assert.deepEqual(directions, ['rtl', 'ltr'])
  const width = await phone.page.evaluate(() => document.documentElement.scrollWidth)
  assert.ok(width <= 390, `the page is ${width} px wide on a phone`)
  await phone.picture('history-phone')
  await phone.page.getByRole('button', { name: 'Versions' }).tap()
  await phone.row('session').first().tap()
  await until(async () => !(await phone.row('session').first().isVisible()), 'the list has closed')
  await phone.page.getByRole('button', { name: 'One step back' }).tap()
  await phone.shows('مرحبا بالعالم\n')
  assert.deepEqual(phone.errors, [])
})

for (const [device, options] of [['desktop', DESKTOP], ['phone', PHONE]]) {
  for (const colorScheme of ['light', 'dark']) {
    test(`axe finds nothing in the panel on a ${device}, ${colorScheme}`, async (t) => {
      const { name } = await concert()
      const { page, ...window } = await openWindow(t, `/d/${name}`, { ...options, colorScheme, bypassCSP: true, reducedMotion: 'reduce' })
      const checked = async (where) => {
        await page.evaluate(AXE)
        const { violations } = await page.evaluate(() => window.axe.run())
        assert.deepEqual(violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary}`)), [], where)
      }
      await page.getByTestId('history-open').click()
      await page.getByTestId('history-row').first().waitFor({ state: 'attached' })
      await checked('open')
      await page.keyboard.press('ArrowLeft')
      await page.getByTestId('history-compare').selectOption({ label: 'Now' })
      await checked('compared')
      await page.getByTestId('history-name-version').click()
      await checked('a question')
      await page.getByTestId('history-name').fill('To the printer')
      await page.getByTestId('history-confirm').click()
      await page.getByTestId('history-name').waitFor({ state: 'detached' })
      if (device === 'phone') await page.getByRole('button', { name: 'Versions' }).tap()
      await page.getByTestId('history-row').filter({ hasText: 'printer' }).waitFor()
      await checked('the list')
      assert.deepEqual(window.errors, [])
    })
  }
}
