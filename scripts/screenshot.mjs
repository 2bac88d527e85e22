// Takes the pictures of docs/images/ from a running demo: three guests write one document and talk about it, and each picture is what the
// first of them sees; then the dashboard, while they go on.
//
//   node scripts/screenshot.mjs [base URL, default http://127.0.0.1:8080] [folder, default docs/images]

import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const { chromium } = createRequire(join(root, 'tests/clients/package.json'))('playwright-core')

const [baseUrl = 'http://127.0.0.1:8080', folder = join(root, 'docs/images')] = process.argv.slice(2)
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const WAIT_MS = 15_000
/** What the dashboard shows. */
const CROWD = 24
const CROWD_MS = 70_000

/** The guests write and talk in turn, so that the conversation has both, and end where the picture shows their cursors. */
const SCRIPT = [
  ['Clara', 'writes', '# Programme for the summer concert\n\nWe play outdoors this year, by the lake. **Doors at seven**, music at eight.\n\n'],
  ['Clara', 'says', 'I started the programme. Who has the first half?'],
  ['Miles', 'says', 'Me! Give me a minute'],
  ['Miles', 'writes', '## First half\n\n- Overture, *everyone*\n- Two songs for voice and harp\n- The new quartet, first time in public\n\n'],
  ['Nadia', 'writes', '## After the interval\n\n1. Dances from the mountains\n2. Something slow for the sunset\n\n'],
  ['Nadia', 'says', 'Sunset is at 21:14 that day, so the slow one fits 🌅'],
  ['Clara', 'says', 'Perfect. And if it rains?'],
  ['Nadia', 'says', 'The old boathouse, as always'],
  ['Clara', 'writes', '> If it rains we move to the old boathouse.\n\n'],
  ['Miles', 'says', 'The quartet needs four chairs and a dry piano'],
  ['Nadia', 'writes', 'Lights and chairs: ask Joni. The '],
  ['Clara', 'says', 'On it!']
]

/** Documents that only stand in the list. */
const OTHERS = [
  ['Clara', 'letters/to-the-lake', 'Dear lake, '],
  ['Nadia', 'setlist', '- '],
  ['Miles', 'rehearsal-notes', 'Bar 32: slower. ']
]

if (!existsSync(executablePath)) throw new Error(`No browser at ${executablePath}: install chromium, or name one in CHROMIUM.`)
await mkdir(folder, { recursive: true })
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run', '--disable-component-update', '--disable-sync']
})
try {
  const dashboard = await openDashboard()
  const guests = {}
  for (const name of ['Clara', 'Miles', 'Nadia']) guests[name] = await enter(name)
  for (const [name, document, text] of OTHERS) {
    await open(guests[name], document)
    await type(guests[name], text)
  }
  const document = await unused(guests.Clara, 'summer-concert')
  for (const page of Object.values(guests)) await open(page, document)
  await write(guests)
  await shoot(guests)
  await shootDashboard(dashboard)
} finally {
  await browser.close()
}

async function newPage () {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, deviceScaleFactor: 2, locale: 'en-GB', colorScheme: 'light' })
  context.setDefaultTimeout(WAIT_MS)
  return context.newPage()
}

async function enter (name) {
  const page = await newPage()
  await open(page, 'hello')
  const field = page.getByTestId('name')
  await field.fill(name)
  await field.press('Enter')
  await page.waitForFunction(
    (initials) => document.querySelector('[data-testid="people"] .avatar')?.textContent === initials, name.slice(0, 2))
  await isLive(page)
  return page
}

async function open (page, document) {
  await page.goto(`${baseUrl.replace(/\/$/, '')}/d/${document}`)
  await isLive(page)
}

/** A document that a run before this one has not written. */
async function unused (page, name) {
  for (let number = 1; ; number++) {
    const document = number === 1 ? name : `${name}-${number}`
    await open(page, document)
    if (await page.locator('.cm-placeholder').isVisible()) return document
  }
}

function isLive (page) { return page.locator('[data-testid="status"][data-state="live"]').waitFor() }
function isSaved (page) { return page.locator('[data-testid="saved"][data-state="saved"]').waitFor() }
function textOf (page) { return page.locator('.cm-content') }
function contains (page, text) { return textOf(page).filter({ hasText: text }).waitFor() }

async function type (page, text) {
  await textOf(page).focus()
  await page.keyboard.press('Control+End')
  // Whole lines at a time: the editor itself continues lists, which is for people.
  for (const line of text.split(/(?<=\n)/)) await page.keyboard.insertText(line)
  await isSaved(page)
}

async function write (guests) {
  for (const [name, does, text] of SCRIPT) {
    if (does === 'says') await say(guests[name], text)
    else await type(guests[name], text)
    for (const other of Object.values(guests)) {
      await (does === 'says' ? hears(other, text) : contains(other, text.trim().split('\n').at(-1)))
    }
  }
}

async function say (page, text) {
  await page.getByTestId('message-field').fill(text)
  await page.getByTestId('message-field').press('Enter')
  await page.locator('[data-testid="message"][data-state="saved"]').filter({ hasText: text }).waitFor({ state: 'attached' })
}

function hears (page, text) { return page.getByTestId('message-text').filter({ hasText: text }).waitFor({ state: 'attached' }) }

/** Others' names show for a moment after a cursor moved: they move before each picture. */
async function nudge ({ Miles, Nadia }, word) {
  await Miles.getByText('The new quartet, first time in public').click()
  await Miles.keyboard.press('End')
  for (let i = 0; i < 6; i++) await Miles.keyboard.press('Shift+Control+ArrowLeft')
  await Nadia.keyboard.insertText(word)
}

async function shoot (guests) {
  const { Clara } = guests
  // Taking a picture may take longer than a name is shown.
  await Clara.addStyleTag({ content: '.cm-ySelectionInfo { animation-play-state: paused !important }' })
  await Clara.getByText('Overture').click()
  await Clara.keyboard.press('Home')

  await take(guests, 'demo-light.png', 'piano', 'Shall I bring')
  await Clara.emulateMedia({ colorScheme: 'dark' })
  await take(guests, 'demo-dark.png', ' comes')
  await Clara.emulateMedia({ colorScheme: 'light' })
  await Clara.setViewportSize({ width: 390, height: 844 })
  await take(guests, 'demo-phone.png', ' by boat')
  await Clara.getByTestId('conversation-toggle').click()
  await Clara.locator('.side-panel.is-open').waitFor()
  await take(guests, 'demo-phone-chat.png', ', and goes by boat', ' the metronome?')
}

/** Opened first: the page shows what happened since. */
async function openDashboard () {
  const page = await newPage()
  await page.goto(`${baseUrl.replace(/\/$/, '')}/dashboard`)
  await isLive(page)
  return page
}

async function shootDashboard (page) {
  console.log(`Letting ${CROWD} more come, talk and go, for ${CROWD_MS / 1000} s…`)
  await page.evaluate(crowd, { count: CROWD, forMs: CROWD_MS })
  await picture(page, 'dashboard-light.png')
  await page.emulateMedia({ colorScheme: 'dark' })
  await picture(page, 'dashboard-dark.png')
}

/** Runs in the page: connections come one after another, signal in a rhythm, and some go again. */
async function crowd ({ count, forMs }) {
  const { connect } = await import('/tutti.js')
  const answer = await fetch('/demo/token', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"Choir"}' })
  const { token } = await answer.json()
  const singers = []
  const began = performance.now()
  await new Promise((resolve) => {
    const beat = setInterval(() => {
      const part = (performance.now() - began) / forMs
      const wanted = Math.round(count * Math.min(1, part * 1.6) - (part > 0.8 ? count / 5 : 0))
      if (singers.length < wanted) singers.push(connect('/ws', { token }))
      else if (singers.length > wanted) singers.shift().close()
      for (const [index, singer] of singers.entries()) {
        if ((index + Math.floor(part * 40)) % 5 > 1) singer.room('demo/choir').signal('voice.note', { bar: index, note: 'la '.repeat(4 + 10 * (1 + Math.sin(part * 14))) })
      }
      if (part < 1) return
      clearInterval(beat)
      resolve()
    }, 250)
  })
}

async function picture (page, file) {
  // A theme that has just changed fades in.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().filter((animation) => animation instanceof CSSTransition).map(({ finished }) => finished)))
  await page.screenshot({ path: join(folder, file) })
  console.log(join(folder, file))
}

/** `typed`: what Miles is about to say meanwhile. */
async function take (guests, file, word, typed) {
  await nudge(guests, word)
  if (typed) {
    await guests.Miles.getByTestId('message-field').pressSequentially(typed)
    await guests.Clara.getByTestId('typing').filter({ hasText: 'Miles is typing' }).waitFor()
  }
  await guests.Clara.locator('.cm-ySelectionCaret').nth(1).waitFor()
  await isSaved(guests.Clara)
  await picture(guests.Clara, file)
}
