// The Tiptap editor of the demo in a real browser, over the Hocuspocus protocol.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as Y from 'yjs'
import { startBrowser, Window } from './support/browser.mjs'
import { joinDocument, releases } from './support/hocuspocus.mjs'
import { startServer } from './support/server.mjs'
import { token } from './support/token.mjs'
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

class TiptapWindow extends Window {
  field = '.tiptap'

  /** The text in the editor, without the others' carets in it. */
  async content() {
    return this.page.locator(this.field).evaluate((element) => {
      const copy = element.cloneNode(true)
      for (const caret of copy.querySelectorAll('.caret')) caret.remove()
      return [...copy.children].map((block) => block.textContent.replaceAll('\u2060', '')).join('\n')
    })
  }

  async reads(text) {
    let content
    await until(async () => (content = await this.content()) === text, `a window reads ${text}`, { state: () => content })
  }

  async seesCaret() {
    await this.page.locator('.caret .caret-name').first().waitFor({ state: 'attached' })
  }

  async use(tool) {
    await this.page.getByTestId('tools').getByRole('button', { name: tool, exact: true }).click()
  }
}

async function twoWindows(t, path, options = { viewport: { width: 1280, height: 800 }, colorScheme: 'light' }) {
  const context = await browser.newContext(options)
  t.after(() => context.close())
  const pages = await Promise.all([context.newPage(), context.newPage()])
  const windows = pages.map((page) => new TiptapWindow(page))
  for (const window of windows) await window.open(server.url + path)
  return windows
}

test('two windows write one rich text, and what is said to be saved survives kill -9', async (t) => {
  const [ada, bob] = await twoWindows(t, '/tiptap/two-windows')
  await ada.use('Heading')
  await ada.type('A programme')
  await ada.page.keyboard.press('Enter')
  await ada.type('Overture')
  await bob.reads('A programme\nOverture')
  await bob.press('Control+End')
  await bob.type(', everyone')
  await ada.reads('A programme\nOverture, everyone')
  assert.equal(await bob.page.locator('.tiptap h1').textContent(), 'A programme')
  await ada.seesCaret()
  await Promise.all([ada.is('saved'), bob.is('saved')])
  await ada.picture('tiptap-light')
  await ada.page.emulateMedia({ colorScheme: 'dark' })
  await ada.picture('tiptap-dark')

  await server.kill9()
  await ada.isOffline()
  await ada.type('Meanwhile: ')
  await ada.is('unsaved')
  await server.start()
  await Promise.all([ada.isLive(), bob.isLive()])
  await ada.is('saved')
  const text = await ada.content()
  assert.match(text, /Meanwhile: /)
  await server.kill9()
  await server.start()
  const [late] = await twoWindows(t, '/tiptap/two-windows')
  await late.reads(text)
  assert.deepEqual([...ada.errors, ...bob.errors, ...late.errors], [])
})

test('an editor in the browser and a provider in Node meet in one document', async (t) => {
  const [ada] = await twoWindows(t, '/tiptap/with-node')
  const doc = new Y.Doc()
  const node = await joinDocument(t, server, { release: releases[0], room: 'demo/tiptap/with-node', doc })
  await ada.type('from the browser')
  const fragment = doc.getXmlFragment('default')
  await until(() => fragment.toString().includes('from the browser'), 'the text arrives')
  doc.transact(() => {
    const paragraph = new Y.XmlElement('paragraph')
    paragraph.insert(0, [new Y.XmlText('from Node')])
    fragment.push([paragraph])
  })
  await node.saved()
  await ada.reads('from the browser\nfrom Node')
  assert.deepEqual(ada.errors, [])
})

test('a document that was deleted says so to who is in it, and to who opens it', async (t) => {
  const [ada, bob] = await twoWindows(t, '/tiptap/deleted')
  await ada.type('soon gone')
  await bob.reads('soon gone')
  await ada.is('saved')
  const admin = token({ sub: 'root', rooms: [{ room: '*', access: 'admin' }] })
  assert.equal((await server.fetch('/api/v1/rooms/demo%2Ftiptap%2Fdeleted', { method: 'DELETE', as: admin })).status, 200)
  const saysSo = (window) => window.page.getByText('the room was deleted', { exact: true }).waitFor()
  await saysSo(ada)
  await saysSo(bob)
  await bob.page.reload()
  await saysSo(bob)
})

test('comments on the text: written, answered and resolved in two windows, and they say when their text is gone', async (t) => {
  const room = 'demo/tiptap/comments'
  const [ada, bob] = await twoWindows(t, '/tiptap/comments')
  await ada.type('One two three')
  await ada.is('saved')
  /** What is marked, without the others' carets in it. */
  const marked = (window) => window.page.evaluate(() => [...CSS.highlights.get('comments') ?? []].map((range) => {
    const copy = range.cloneContents()
    for (const caret of copy.querySelectorAll('.caret')) caret.remove()
    return copy.textContent.replaceAll('\u2060', '')
  }))
  const marks = async (window, expected) => {
    let seen
    await until(async () => JSON.stringify(seen = await marked(window)) === JSON.stringify(expected), `the window marks ${expected}`, { state: () => seen })
  }
  // "three", from the end of the line.
  await ada.page.keyboard.press('End')
  for (let letter = 0; letter < 5; letter++) await ada.page.keyboard.press('Shift+ArrowLeft')
  await ada.page.getByTestId('comment-quote').filter({ hasText: /^three$/ }).waitFor()
  await ada.page.getByTestId('comment-field').fill('Is it really three?')
  await ada.page.getByTestId('add-comment').click()
  const thread = (window) => window.page.getByTestId('comments').locator('.comment-thread')
  await thread(bob).filter({ hasText: 'Is it really three?' }).waitFor()
  for (const window of [ada, bob]) await marks(window, ['three'])

  await thread(bob).getByLabel('Reply').fill('I counted.')
  await thread(bob).getByLabel('Reply').press('Enter')
  await thread(ada).filter({ hasText: 'I counted.' }).waitFor()
  await bob.press('Home')
  await bob.type('Zero ')
  await ada.reads('Zero One two three')
  for (const window of [ada, bob]) await marks(window, ['three'])
  await ada.page.getByTestId('comments').getByRole('button', { name: 'three' }).click()
  await ada.picture('comments')

  // A heading is a new text to Yjs: the quote finds it.
  await ada.use('Heading')
  await ada.page.locator('.tiptap h1').waitFor()
  for (const window of [ada, bob]) await marks(window, ['three'])
  await bob.press('Control+a')
  await bob.press('Delete')
  await ada.reads('')
  for (const window of [ada, bob]) {
    await thread(window).getByText('Its text is gone.').waitFor()
    await marks(window, [])
  }
  await ada.picture('comments-gone')

  const [seq] = await thread(ada).evaluateAll((all) => all.map((element) => Number(element.dataset.seq)))
  await thread(ada).getByRole('button', { name: 'Resolve' }).click()
  for (const window of [ada, bob]) await until(async () => await thread(window).count() === 0, 'the thread is put away')
  await bob.page.getByRole('button', { name: 'Show 1 resolved' }).click()
  await thread(bob).getByRole('button', { name: 'Open again' }).waitFor()
  const { threads } = await (await server.fetch(`/api/v1/rooms/${encodeURIComponent(room)}/comments`)).json()
  assert.deepEqual(threads.map(({ seq, text, quote, replies, resolved }) => [seq, text, quote, replies.map((reply) => reply.text), Boolean(resolved)]),
    [[seq, 'Is it really three?', 'three', ['I counted.'], true]])

  // What the document was comes back by a restore, with ids of its own.
  const { entries } = await (await server.fetch(`/api/v1/rooms/${encodeURIComponent(room)}/history?kind=edit&limit=1000`)).json()
  await thread(bob).getByRole('button', { name: 'Open again' }).click()
  await thread(ada).getByText('Its text is gone.').waitFor()
  const restored = await server.fetch(`/api/v1/rooms/${encodeURIComponent(room)}/restore`, { method: 'POST', body: JSON.stringify({ to: entries.at(-2).seq }) })
  assert.equal(restored.status, 200)
  for (const window of [ada, bob]) await marks(window, ['three'])
  assert.equal(await thread(ada).getByText('Its text is gone.').isVisible(), false)
  assert.deepEqual([...ada.errors, ...bob.errors], [])
})

test('the page fits a phone, and the demo leads to it', async (t) => {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true })
  t.after(() => context.close())
  const phone = new TiptapWindow(await context.newPage())
  await phone.open(`${server.url}/tiptap/phone`)
  await phone.type('On a phone')
  await phone.is('saved')
  const width = await phone.page.evaluate(() => document.documentElement.scrollWidth)
  assert.ok(width <= 390, `the page is ${width} px wide on a phone`)
  await phone.picture('tiptap-phone')

  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  t.after(() => page.close())
  const demo = new Window(page)
  await demo.open(server.url)
  await demo.lists('phone')
  await demo.picture('demo-menu')
  await page.getByTestId('tiptap').click()
  await page.waitForURL('**/tiptap/hello')
  await demo.isLive()
  assert.deepEqual([...phone.errors, ...demo.errors], [])
})
