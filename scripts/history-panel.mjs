// How long the history panel takes for a recorded session of 137,154 edits: until the document is seen, and for a step.
// Prints what stands in docs/PERFORMANCE.md. Needs a built server (TUTTI_BIN, default target/debug/tutti) and Chromium.
//
//   node scripts/history-panel.mjs

import { startBrowser, Window } from '../tests/clients/support/browser.mjs'
import { startServer } from '../tests/clients/support/server.mjs'
import { fill, shown } from './recorded-session.mjs'

const ROOM = 'demo/recorded'
const TIMES = 5

const server = await startServer({ args: ['--demo'] })
const browser = await startBrowser()
try {
  await server.stop()
  const edits = fill(server.databaseUrl.replace('sqlite://', ''), ROOM)
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
