// The npm package that is made from static/client, in React 18 and 19, in a real browser. `make demo` has compiled it: tests that run at
// the same time must not compile it under each other's eyes.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bePatient, startBrowser } from './support/browser.mjs'
import { networkTo } from './support/proxy.mjs'
import { startServer } from './support/server.mjs'
import { token } from './support/token.mjs'
import { talk } from './support/tutti.mjs'
import { until } from './support/until.mjs'

const run = promisify(execFile)
const here = fileURLToPath(new URL('.', import.meta.url))
const client = fileURLToPath(new URL('../../static/client', import.meta.url))
const esbuild = createRequire(new URL('../../static/package.json', import.meta.url))('esbuild')

let folder
let server
let browser
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tutti-package-'))
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: client })
  const modules = join(folder, 'node_modules')
  await mkdir(modules)
  await run('tar', ['xzf', join(folder, 'tutti-0.1.0.tgz'), '-C', folder])
  await run('mv', [join(folder, 'package'), join(modules, 'tutti')])
  server = await startServer()
  browser = await startBrowser()
})
after(async () => {
  await browser?.close()
  await server?.close()
  if (folder) await rm(folder, { recursive: true })
})

/** Builds an app that has the packed package, one React, and what else the tests have. */
async function built(name, entry, react = join(here, 'node_modules')) {
  const { outputFiles, metafile } = await esbuild.build({
    stdin: { contents: entry, resolveDir: folder, loader: 'jsx' },
    bundle: true,
    format: 'esm',
    jsx: 'automatic',
    write: false,
    metafile: true,
    minify: true,
    outfile: `${name}.js`,
    // What is named first wins: the React that is asked for.
    nodePaths: [react, join(here, 'node_modules')],
    define: { 'process.env.NODE_ENV': '"development"' },
  })
  return { script: outputFiles[0].text, metafile }
}

const app = `
import { StrictMode, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { version } from 'react'
import { TuttiProvider, useConnection, useDocument, useMessages, usePresence, useRoom, useSaved, useTyping } from 'tutti/react'
import * as Y from 'yjs'
import { WebsocketProvider } from 'y-websocket'

function Page ({ name, url }) {
  const { state } = useConnection()
  const { access, error } = useRoom(name)
  const { messages, send } = useMessages(name)
  const { users } = usePresence(name, { colour: 'red' })
  const { typists, typing } = useTyping(name)
  const shared = useDocument(name, { url, Doc: Y.Doc, WebsocketProvider })
  const saved = useSaved(shared?.sync)
  // Of one user's states the newest is shown: who has an editor is seen as its awareness says.
  useEffect(() => shared?.provider.awareness.setLocalStateField('colour', 'red'), [shared])
  window.shared = shared
  return <main>
    <p id="version">{version}</p>
    <p id="state">{state}</p>
    <p id="access">{access}{error?.code}</p>
    <p id="saved">{saved.text}{saved.mayWrite ? '' : ' (locked)'}</p>
    <ul id="users">{users.map(({ user, name, state }) => <li key={user}>{name} {state?.colour}</li>)}</ul>
    <ol id="messages">{messages.map(({ seq, user, text, erased }) => <li key={seq}>{user}: {erased ? 'erased' : text}</li>)}</ol>
    <p id="typists">{typists.map(({ name }) => name).join()}</p>
    <input id="field" onChange={() => typing()} onKeyDown={({ key, target }) => { if (key === 'Enter') { send(target.value); target.value = '' } }} />
  </main>
}

function App ({ room, url, token }) {
  const [isShown, show] = useState(true)
  return <TuttiProvider url={url + '/ws'} token={async () => token}>
    <button onClick={() => show(!isShown)}>toggle</button>
    {isShown && <Page name={room} url={url + '/yjs'} />}
  </TuttiProvider>
}

window.start = (props) => createRoot(document.body.appendChild(document.createElement('div'))).render(<StrictMode><App {...props} /></StrictMode>)
`

/** A page of an origin of its own that runs a script, as if it came from an app's web server. */
async function site(t, script) {
  const web = createServer(({ url }, response) => url === '/app.js'
    ? response.setHeader('content-type', 'text/javascript').end(script)
    : response.setHeader('content-type', 'text/html').end('<!doctype html><title>an app</title><script type="module" src="/app.js"></script>'))
  await new Promise((resolve) => web.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise((resolve) => web.close(resolve)))
  return `http://127.0.0.1:${web.address().port}`
}

const shows = (page, selector, text) => page.locator(selector).filter({ hasText: text }).waitFor()

for (const [version, modules] of [['18', join(here, 'react-18/node_modules')], ['19', join(here, 'node_modules')]]) {
  test(`React ${version}: messages, presence, typing and a document, over a lost connection`, async (t) => {
    const { script } = await built(`react-${version}`, app, modules)
    const origin = await site(t, script)
    const mine = await startServer({ args: ['--allowed-origins', origin] })
    t.after(() => mine.close())
    const network = await networkTo(t, mine)
    const room = `docs/react-${version}`
    const errors = []
    const open = async (sub, url, access = 'write') => {
      const page = await browser.newPage()
      t.after(() => page.close())
      bePatient(page)
      page.on('pageerror', (error) => errors.push(String(error)))
      await page.goto(origin)
      await page.waitForFunction(() => window.start)
      await page.evaluate((props) => window.start(props), { room, url, token: token({ sub, name: sub, rooms: [{ room: '*', access }] }) })
      await shows(page, '#state', 'online')
      return page
    }
    const ada = await open('ada', `http://${network.address}`)
    const bob = await open('bob', mine.url)
    await shows(ada, '#version', new RegExp(`^${version}\\.`))
    await shows(ada, '#access', 'write')
    await shows(ada, '#users li', 'bob red')
    await ada.fill('#field', 'Hello')
    await shows(bob, '#typists', 'ada')
    await ada.press('#field', 'Enter')
    await shows(bob, '#messages li', 'ada: Hello')

    await shows(ada, '#saved', /^Saved$/)
    await ada.evaluate(() => window.shared.doc.getText('content').insert(0, 'typed'))
    await bob.waitForFunction(() => window.shared.doc.getText('content').toString() === 'typed')
    await shows(ada, '#saved', /^Saved$/)

    network.cut()
    await shows(ada, '#saved', /^Offline/)
    await ada.evaluate(() => window.shared.doc.getText('content').insert(0, 'offline, '))
    await shows(ada, '#saved', /^Offline – not saved: \d+ s$/)
    network.restore()
    await bob.waitForFunction(() => window.shared.doc.getText('content').toString() === 'offline, typed')
    await shows(ada, '#saved', /^Saved$/)

    // Unmounted it has left; mounted again it has what was said.
    await bob.getByText('toggle').click()
    await ada.locator('#users li', { hasText: 'bob' }).waitFor({ state: 'detached' })
    await bob.getByText('toggle').click()
    await shows(bob, '#messages li', 'ada: Hello')
    await shows(ada, '#users li', 'bob red')

    const reader = await open('rita', mine.url, 'read')
    await shows(reader, '#access', 'read')
    await shows(reader, '#saved', 'View only (locked)')
    const locked = await open('lou', mine.url, 'none')
    await shows(locked, '#access', 'forbidden')
    assert.deepEqual(errors, [])
  })
}

test('messages that are erased go from a page, also where what it asked for before comes after', async (t) => {
  const { script } = await built('erased', app)
  const origin = await site(t, script)
  const mine = await startServer({ args: ['--allowed-origins', origin] })
  t.after(() => mine.close())
  const room = 'docs/erased'
  const [ada, root] = [['ada', 'write'], ['root', 'admin']].map(([sub, access]) => talk(t, mine, { as: { sub, rooms: [{ room: '*', access }] } }).tutti.room(room))
  await ada.send('a secret')
  const page = await browser.newPage()
  t.after(() => page.close())
  bePatient(page)
  // What is read before the words are erased comes once the page has read them anew.
  const late = []
  await page.route('**/history?*', async (route) => {
    const response = await route.fetch()
    const come = () => route.fulfill({ response })
    if ((await response.text()).includes('a secret')) late.push(come)
    else await come()
  })
  await page.goto(origin)
  await page.waitForFunction(() => window.start)
  await page.evaluate((props) => window.start(props), { room, url: mine.url, token: token({ sub: 'bob', name: 'bob', rooms: [{ room: '*', access: 'write' }] }) })
  await until(() => late.length > 0, 'the page asks what was said')
  const { done, messages } = await root.past.erase({ content: { user: 'ada' } }, { dryRun: false })
  assert.deepEqual([done, messages], [true, 1])
  await shows(page, '#messages li', /^ada: erased$/)
  for (const come of late) {
    const came = page.waitForEvent('requestfinished', (request) => request.url().includes('/history?'))
    await come()
    await came
  }
  await ada.send('more')
  await shows(page, '#messages li', /^ada: more$/)
  assert.deepEqual(await page.locator('#messages li').allTextContents(), ['ada: erased', 'ada: more'])
})

test('the package has what it names, no more, and the same client as the server', async () => {
  const { files } = JSON.parse((await run('npm', ['pack', '--ignore-scripts', '--dry-run', '--json'], { cwd: client })).stdout)[0]
  const names = files.map(({ path }) => path).sort()
  assert.ok(names.includes('dist/react.d.ts') && names.includes('README.md') && names.includes('dist/index.js'), names.join())
  assert.deepEqual(names.filter((name) => !/^(package\.json|README\.md|LICENSE.*|dist\/(history\/)?[a-z-]+\.(d\.ts|js))$/.test(name)), [])
  const served = await import(join(client, 'tutti.js'))
  const packed = await import(join(folder, 'node_modules/tutti/dist/index.js'))
  assert.deepEqual(Object.keys(served), Object.keys(packed))
})

test('what an app does not use is not in its bundle', async () => {
  const { script: some } = await built('some', "import { TuttiError } from 'tutti'\nconsole.log(TuttiError)")
  const { script: all } = await built('all', "import * as tutti from 'tutti'\nconsole.log(tutti)")
  assert.ok(some.length < all.length / 8, `${some.length} of ${all.length} bytes`)
  const { metafile } = await built('hooks', "import { useRoom } from 'tutti/react'\nconsole.log(useRoom)")
  assert.deepEqual(Object.keys(metafile.inputs).filter((file) => /yjs|y-websocket/.test(file)), [])
})

test('an app in TypeScript gets the types of the packed package', async () => {
  const usage = join(folder, 'usage.tsx')
  const { writeFile } = await import('node:fs/promises')
  await mkdir(join(folder, 'node_modules/@types'), { recursive: true })
  await symlink(fileURLToPath(new URL('../../static/node_modules/@types/react', import.meta.url)), join(folder, 'node_modules/@types/react')).catch(() => {})
  await writeFile(usage, `
import { useDocument, useMessages, usePresence, useSaved } from 'tutti/react'
interface App { payload: { mood: string }, presence: { colour: string } }
class Doc { destroy () {} text = '' }
class Provider { awareness = {}; destroy () {}; constructor (_url: string, _room: string, _doc: Doc, _options: object) {} }
export function Page () {
  const { messages, send } = useMessages<App>('general')
  const { users } = usePresence<App>('general', { colour: 'red' })
  const shared = useDocument('general', { Doc, WebsocketProvider: Provider })
  const { text } = useSaved(shared?.sync)
  send('hi', { payload: { mood: 'fine' } })
  // @ts-expect-error a mood is needed
  send('hi', { payload: {} })
  return [messages[0]?.payload?.mood, users[0]?.state?.colour, shared?.doc.text, text].join()
}
`)
  const tsc = fileURLToPath(new URL('../../static/node_modules/.bin/tsc', import.meta.url))
  await run(tsc, ['--noEmit', '--strict', '--jsx', 'react-jsx', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,dom', '--types', 'react', usage], { cwd: folder })
    .catch(({ stdout, stderr }) => assert.fail(stdout + stderr))
})
