// How long the history panel takes for a recorded session of 137,154 edits: until the document is seen, and for a step.
// Prints what stands in docs/PERFORMANCE.md. Needs a built server (TUTTI_BIN, default target/debug/tutti) and Chromium.
//
//   node scripts/history-panel.mjs

import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { startBrowser, Window } from '../tests/clients/support/browser.mjs'
import { recording, Typist } from '../tests/clients/support/recordings.mjs'
import { startServer } from '../tests/clients/support/server.mjs'

const clients = createRequire(fileURLToPath(new URL('../tests/clients/package.json', import.meta.url)))
const Database = clients('better-sqlite3')
const Y = await import(new URL('../tests/clients/node_modules/yjs/dist/yjs.mjs', import.meta.url))
const ROOM = 'demo/recorded'
const TIMES = 5

/** Types the session into the database of a server that does not run. */
function fill(file) {
  const database = new Database(file)
  const { lastInsertRowid: room } = database.prepare('insert into room (name, head, last_at, created_at) values (?, 0, 0, 0)').run(ROOM)
  const insert = database.prepare('insert into entry (room_id, seq, kind, author, at, body) values (?, ?, 1, ?, ?, ?)')
  const doc = new Y.Doc()
  const typist = new Typist(doc.getText('content'))
  let [seq, ms] = [0, Date.UTC(2026, 10, 21)]
  doc.on('update', (update) => insert.run(room, (seq += 1), seq % 3_000 < 2_000 ? 'Ada~1' : 'Bob~2', (ms += 150 + (seq % 7) * 40), Buffer.from(update)))
  database.exec('begin')
  for (const { patches } of recording('seph-blog1').txns) typist.type(patches)
  database.prepare('update room set head = ?, last_at = ? where id = ?').run(seq, ms, room)
  database.exec('commit')
  database.close()
  return seq
}

/** The shortest, median and longest of several runs. */
const shown = (what, times) => {
  const sorted = times.toSorted((a, b) => a - b)
  console.log(`${what.padEnd(56)} ${[sorted[0], sorted[sorted.length >> 1], sorted.at(-1)].map((time) => time.toFixed(1).padStart(8)).join(' ')} ms`)
}

const server = await startServer({ args: ['--demo'] })
const browser = await startBrowser()
try {
  await server.stop()
  const edits = fill(server.databaseUrl.replace('sqlite://', ''))
  await server.start()
  const window = new Window(await browser.newPage({ viewport: { width: 1280, height: 800 } }))
  const { page } = window
  await window.open(`${server.url}/d/recorded`)
  console.log(`${edits} edits`)

  const asGuest = { method: 'POST', as: null, headers: { 'content-type': 'application/json' }, body: '{"name":"Clara"}' }
  const { token } = await (await server.fetch('/demo/token', asGuest)).json()
  const replay = async () => {
    const begunMs = performance.now()
    const answer = await server.fetch(`/api/v1/rooms/${ROOM}/replay`, { as: token })
    const bytes = (await answer.arrayBuffer()).byteLength
    return { isThere: answer.ok, bytes, ms: performance.now() - begunMs }
  }
  // The first time it is made of the entries, over which a build for development takes longer than a request may.
  while (!(await replay()).isThere);
  const answers = []
  for (let time = 0; time < TIMES; time += 1) answers.push(await replay())
  console.log(`a replay has ${answers[0].bytes} bytes`)
  shown('a replay is answered', answers.map(({ ms }) => ms))

  const opened = []
  for (let time = 0; time < TIMES; time += 1) {
    opened.push(await page.evaluate(async () => {
      const begunMs = performance.now()
      document.querySelector('[data-testid="history-open"]').click()
      const sheet = () => document.querySelector('[data-testid="history"]')?.shadowRoot.querySelector('.sheet .block')
      while (!sheet()) await new Promise((resolve) => setTimeout(resolve, 1))
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))
      return performance.now() - begunMs
    }))
    if (time < TIMES - 1) {
      await page.getByTestId('history-row').first().waitFor()
      await page.getByTestId('history-close').click()
    }
  }
  shown('from the click until the document is seen', opened)

  await page.getByTestId('history-row').first().waitFor()
  const requests = []
  page.on('request', (request) => { if (request.url().includes(ROOM)) requests.push(request.url()) })
  /** In the frame that shows a step: until all is drawn and laid out. */
  const steps = (targets) => page.evaluate(async (targets) => {
    const slider = document.querySelector('[data-testid="history"]').shadowRoot.querySelector('.slider')
    const sheet = slider.getRootNode().querySelector('.sheet')
    const times = []
    for (const target of targets) {
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))
      let begunMs
      requestAnimationFrame(() => { begunMs = performance.now() })
      slider.value = target
      slider.dispatchEvent(new Event('input'))
      await new Promise((resolve) => requestAnimationFrame(() => {
        sheet.getBoundingClientRect()
        times.push(performance.now() - begunMs)
        resolve()
      }))
    }
    return times
  }, targets)
  shown('a step', await steps(Array.from({ length: 300 }, (_, i) => (edits >> 1) + i)))
  shown('a step at the end', await steps(Array.from({ length: 300 }, (_, i) => edits - 300 + i)))
  shown('a jump anywhere', await steps(Array.from({ length: 300 }, (_, i) => (i * 7_919 * 13) % edits)))
  console.log(`requests for the room meanwhile: ${requests.length}`)
} finally {
  await browser.close()
  await server.close()
}
