// The examples as a stranger runs them, and the README's snippets, which are cut from them. The package that they have as a folder is built
// by `make demo`.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { bePatient, startBrowser } from './support/browser.mjs'
import { holdPort } from './support/port.mjs'
import { startServer } from './support/server.mjs'
import { secret, token } from './support/token.mjs'
import { until } from './support/until.mjs'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const examples = join(root, 'examples')

let browser
before(async () => {
  browser = await startBrowser()
})
after(() => browser?.close())

/** The lines between `#region name` and `#endregion` of an example. */
async function region(file, name) {
  const text = await readFile(join(examples, file), 'utf8')
  const found = new RegExp(`^// #region ${name}\\n(.*?)^// #endregion`, 'ms').exec(text)
  assert.ok(found, `${file} has the region ${name}`)
  return found[1]
}

for (const [guide, file, name] of [
  ['README.md', 'codemirror/main.js', 'page'],
  ['README.md', 'react-tiptap/src/main.jsx', 'app'],
  ['README.md', 'react-tiptap/src/Editor.jsx', 'page'],
  ['README.md', 'react-tiptap/src/Chat.jsx', 'chat'],
  ['README.md', 'react-tiptap/server.mjs', 'mint'],
  ['docs/BACKEND.md', 'express-react/server.mjs', 'seed'],
  ['docs/BACKEND.md', 'express-react/server.mjs', 'webhook'],
  ['docs/TUTORIAL.md', 'react-tiptap/src/main.jsx', 'app'],
  ['docs/TUTORIAL.md', 'react-tiptap/server.mjs', 'mint'],
]) {
  test(`${guide} shows ${name} of examples/${file} as it stands there`, async () => {
    const text = await readFile(join(root, guide), 'utf8')
    assert.ok(text.includes(await region(file, name)), `${guide} must hold:\n${await region(file, name)}`)
  })
}

async function openPage(t, url, ready) {
  const context = await browser.newContext()
  t.after(() => context.close())
  const page = await context.newPage()
  bePatient(page)
  page.errors = []
  page.on('pageerror', (error) => page.errors.push(String(error)))
  await page.goto(url)
  await page.locator(ready).waitFor()
  return page
}

test('codemirror: two windows write one text', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tutti-example-'))
  t.after(() => rm(folder, { recursive: true }))
  await run('npm', ['run', 'build'], { cwd: join(examples, 'codemirror') })
  const html = await readFile(join(examples, 'codemirror/index.html'), 'utf8')
  let script
  const web = createServer(({ url }, response) => url === '/app.js'
    ? response.setHeader('content-type', 'text/javascript').end(script)
    : response.setHeader('content-type', 'text/html').end(html))
  await new Promise((resolve) => web.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise((resolve) => web.close(resolve)))
  const origin = `http://127.0.0.1:${web.address().port}`
  const server = await startServer({ args: ['--allowed-origins', origin] })
  t.after(() => server.close())
  // Only the address differs: the test's server has a port of its own.
  script = (await readFile(join(examples, 'codemirror/app.js'), 'utf8')).replaceAll('ws://127.0.0.1:8080', server.url.replace('http', 'ws'))
  const [ada, bob] = await Promise.all(['ada', 'bob'].map((sub) => openPage(t, `${origin}/#${token({ sub, name: sub })}`, '.cm-content')))
  await ada.locator('.cm-content').click()
  await ada.keyboard.type('From Ada. ')
  await bob.locator('.cm-content').filter({ hasText: 'From Ada.' }).waitFor()
  await bob.locator('.cm-content').click()
  await bob.keyboard.press('End')
  await bob.keyboard.type('From Bob.')
  await ada.locator('.cm-content').filter({ hasText: 'From Ada. From Bob.' }).waitFor()
  assert.deepEqual([...ada.errors, ...bob.errors], [])
})

test('react-tiptap: a document, chat, presence and roles, with tokens of the Express back end', async (t) => {
  const cwd = join(examples, 'react-tiptap')
  await run('npm', ['run', 'build'], { cwd })
  // The back end's port is not known before it listens, so the server takes it in a second step.
  const app = await startExpress(t, cwd, { PORT: '0' })
  const server = await startServer({ args: ['--allowed-origins', app.origin] })
  t.after(() => server.close())
  const open = async (user) => {
    const context = await browser.newContext()
    t.after(() => context.close())
    const page = await context.newPage()
    bePatient(page)
    page.errors = []
    page.on('pageerror', (error) => page.errors.push(String(error)))
    await page.route('**/config', (route) => route.fulfill({ json: { server: server.url.replace('http', 'ws') } }))
    await page.goto(`${app.origin}/?user=${user}`)
    await page.locator('.tiptap').waitFor()
    return page
  }
  const [ada, rita] = [await open('ada'), await open('rita')]
  const says = (page, text) => page.getByTestId('saved').getByText(text, { exact: true }).waitFor()
  await says(ada, 'Saved')
  await says(rita, 'View only')
  await ada.locator('.tiptap').click()
  await ada.keyboard.type('Hello from Tiptap')
  await rita.locator('.tiptap').filter({ hasText: 'Hello from Tiptap' }).waitFor()
  await says(ada, 'Saved')
  assert.equal(await rita.locator('.tiptap').getAttribute('contenteditable'), 'false')
  await ada.getByTestId('people').filter({ hasText: 'rita' }).waitFor()
  // Looked for from before: it is there for a few seconds only.
  await Promise.all([rita.getByText('ada typing…').waitFor(), ada.getByLabel('Message').fill('Hello, Rita')])
  await ada.getByLabel('Message').press('Enter')
  await rita.locator('li').filter({ hasText: 'ada Hello, Rita' }).waitFor()
  assert.deepEqual([...ada.errors, ...rita.errors], [])
})

async function startExpress(t, cwd, settings) {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, ['server.mjs'], { cwd, env: { PATH, HOME, TUTTI_JWT_SECRET: secret, ...settings }, stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  let origin
  createInterface({ input: child.stdout }).on('line', (line) => (origin ??= /(http:\/\/[\d.:]+)/.exec(line)?.[1]))
  await until(() => origin ?? child.exitCode !== null, 'Express listens')
  assert.ok(origin, 'Express started')
  return { origin }
}

test('express-react: from a row of a database to a live document and back', async (t) => {
  const cwd = join(examples, 'express-react')
  await run('npm', ['run', 'build'], { cwd })
  const folder = await mkdtemp(join(tmpdir(), 'tutti-example-'))
  t.after(() => rm(folder, { recursive: true }))
  const port = await holdPort()
  t.after(() => port.release())
  const origin = `http://127.0.0.1:${port.number}`
  const [seedSecret, webhookSecret] = ['seed', 'webhook'].map((name) => `whsec_${btoa(`the secret of the example: ${name}`)}`)
  const server = await startServer({
    args: [
      '--allowed-origins', origin, '--seed-url', `${origin}/seed`, '--seed-secret', seedSecret,
      '--webhook-url', `${origin}/webhook`, '--webhook-secret', webhookSecret, '--webhook-rooms', 'articles/*', '--webhook-allow-private',
    ],
  })
  t.after(() => server.close())
  const settings = { DATABASE: join(folder, 'articles.db'), TUTTI_URL: server.url, TUTTI_SEED_SECRET: seedSecret, TUTTI_WEBHOOK_SECRET: webhookSecret }
  await startExpress(t, cwd, { PORT: String(port.number), ...settings })
  const database = new Database(settings.DATABASE, { readonly: true })
  t.after(() => database.close())
  const list = await openPage(t, `${origin}/?user=list`, 'li')
  const titles = () => list.locator('li a').allTextContents()
  await list.getByLabel('Title').fill('Newer')
  await list.getByLabel('Title').press('Enter')
  await until(async () => (await titles()).join() === 'Newer,Written long before Tutti', 'both articles are listed, the new one first', { state: titles })
  // Both open it at once, so both would bring its first content if they had to.
  const article = `${origin}/?article=1&user=`
  const [ada, bob] = await Promise.all(['ada', 'bob'].map((user) => openPage(t, article + user, '.tiptap[contenteditable=true]')))
  const reads = async (page, text) => {
    let seen
    const look = async () => (seen = (await page.locator('.tiptap').innerText()).trim().split(/\n+/).join('|')) === text
    await until(look, `the page reads: ${text}`, { state: () => seen })
  }
  for (const page of [ada, bob]) await reads(page, 'Written long before Tutti')
  await ada.locator('.tiptap h1').click()
  await ada.keyboard.press('End')
  await ada.keyboard.type(', now with Ada')
  await reads(bob, 'Written long before Tutti, now with Ada')
  // Tiptap keeps an empty paragraph at the end.
  await bob.locator('.tiptap p').click()
  await bob.keyboard.type('and Bob')
  for (const page of [ada, bob]) await reads(page, 'Written long before Tutti, now with Ada|and Bob')
  const row = () => database.prepare('select body from articles where id = 1').get().body
  await until(() => row().includes('and Bob'), 'the row has what both have written', { state: row })
  await until(async () => (await titles()).join() === 'Written long before Tutti, now with Ada,Newer', 'the article is listed first, by what it says now', { state: titles })
  await list.locator('li').filter({ hasText: 'now with Ada' }).getByRole('button', { name: 'Delete' }).click()
  await until(async () => (await titles()).join() === 'Newer', 'the deleted article is listed no more', { state: titles })
  // Who was writing is told so, and writes no more into what is gone.
  for (const page of [ada, bob]) {
    await page.getByTestId('saved').getByText('Closed: the room was deleted', { exact: true }).waitFor()
    await page.locator('.tiptap[contenteditable=false]').waitFor()
  }
  const gone = await server.fetch('/api/v1/rooms/articles%2F1/document', { as: token({ rooms: [{ room: '*', access: 'admin' }] }) })
  assert.equal((await gone.json()).error.code, 'room_deleted')
  assert.equal(database.prepare('select count(*) as count from articles where id = 1').get().count, 0)
  const stranger = (path, method) => fetch(`${origin}${path}`, { method, headers: { 'content-type': 'application/json' }, body: method === 'POST' ? '{}' : undefined })
  assert.equal((await stranger('/seed?room=articles/1', 'GET')).status, 401)
  assert.equal((await stranger('/webhook', 'POST')).status, 401)
  assert.deepEqual([...list.errors, ...ada.errors, ...bob.errors], [])
})

test('nextjs: the route refuses strangers, and the server takes its token', async (t) => {
  const server = await startServer()
  t.after(() => server.close())
  process.env.TUTTI_JWT_SECRET = secret
  // As Next.js calls it: with a standard Request, for a standard Response.
  const { GET } = await import(pathToFileURL(join(examples, 'nextjs/app/token/route.js')))
  assert.equal((await GET(new Request('http://localhost:3000/token'))).status, 401)
  const given = await (await GET(new Request('http://localhost:3000/token', { headers: { 'x-user': 'alice' } }))).text()
  const publish = (room) => server.fetch(`/api/v1/rooms/${room}/messages`, { method: 'POST', as: given, body: '{"text":"hi"}' })
  assert.equal((await publish('docs/plan')).status, 201)
  assert.equal((await publish('elsewhere')).status, 404)
})

test('each example has a lock file that fits its package.json', async () => {
  for (const name of ['codemirror', 'react-tiptap', 'express-react', 'nextjs']) {
    const [manifest, lock] = await Promise.all(['package.json', 'package-lock.json'].map(async (file) => JSON.parse(await readFile(join(examples, name, file), 'utf8'))))
    assert.deepEqual(lock.packages[''].dependencies, manifest.dependencies, name)
  }
})
