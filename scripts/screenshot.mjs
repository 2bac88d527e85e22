// Takes the pictures of docs/images/ from a running demo: three guests write one document, and each picture is what the first of them sees.
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

/** The guests write in turn, so that the history has rows, and end where the picture shows their cursors. */
const SCRIPT = [
  ['Clara', '# Programme for the summer concert\n\nWe play outdoors this year, by the lake. **Doors at seven**, music at eight.\n\n'],
  ['Miles', '## First half\n\n- Overture, *everyone*\n- Two songs for voice and harp\n- The new quartet, first time in public\n\n'],
  ['Nadia', '## After the interval\n\n1. Dances from the mountains\n2. Something slow for the sunset\n\n'],
  ['Clara', '> If it rains we move to the old boathouse.\n\n'],
  ['Nadia', 'Lights and chairs: ask Joni. The '],
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
} finally {
  await browser.close()
}

async function enter (name) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, deviceScaleFactor: 2, locale: 'en-GB', colorScheme: 'light' })
  context.setDefaultTimeout(WAIT_MS)
  const page = await context.newPage()
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
  for (const [name, text] of SCRIPT) {
    await type(guests[name], text)
    for (const other of Object.values(guests)) await contains(other, text.trim().split('\n').at(-1))
  }
}

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
  await Clara.getByTestId('history-row').nth(2).waitFor()

  await take(guests, 'demo-light.png', 'piano')
  await Clara.emulateMedia({ colorScheme: 'dark' })
  await take(guests, 'demo-dark.png', ' comes')
  await Clara.emulateMedia({ colorScheme: 'light' })
  await Clara.setViewportSize({ width: 390, height: 844 })
  await take(guests, 'demo-phone.png', ' by boat')
}

async function take (guests, file, word) {
  await nudge(guests, word)
  await guests.Clara.locator('.cm-ySelectionCaret').nth(1).waitFor()
  await isSaved(guests.Clara)
  await guests.Clara.screenshot({ path: join(folder, file) })
  console.log(join(folder, file))
}
