// A real browser on the demo: windows, what stands in them, and pictures of them.

import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const artifacts = fileURLToPath(new URL('../.artifacts', import.meta.url))
const waitMs = Number(process.env.TUTTI_TEST_WAIT_MS ?? 120_000)
const quiet = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--no-first-run',
  '--disable-component-update',
  '--disable-sync',
  // Names for pages that are not from this machine, as far as a server can tell.
  '--host-resolver-rules=MAP *.example 127.0.0.1',
]

/** Starts the browser; fails, and never skips, where there is none. */
export async function startBrowser() {
  if (!existsSync(executablePath)) {
    throw new Error(`there is no browser at ${executablePath}: run \`make test\`, install chromium, or name one in CHROMIUM`)
  }
  return chromium.launch({ executablePath, args: quiet, timeout: waitMs })
}

/** Lets all waits in a page last as long as those of the other tests may. */
export const bePatient = (page) => page.setDefaultTimeout(waitMs)

/** One person's window on the demo. */
export class Window {
  /** What went wrong in the page's scripts; must stay empty. */
  errors = []
  /** Where one writes. */
  field = '[data-testid="editor"] .cm-content'

  constructor(page) {
    this.page = page
    bePatient(page)
    page.on('pageerror', (error) => this.errors.push(String(error)))
  }

  async open(url) {
    await this.page.goto(url)
    await this.isLive()
  }

  async isLive() {
    await this.page.locator('[data-testid="status"][data-state="live"]').waitFor()
  }

  async isOffline() {
    await this.page.locator('[data-testid="status"][data-state="offline"]').waitFor()
  }

  /** Waits for one of saved, saving, unsaved. */
  async is(state) {
    await this.page.locator(`[data-testid="saved"][data-state="${state}"]`).waitFor()
  }

  async callMyself(name) {
    const field = this.page.getByTestId('name')
    await field.fill(name)
    await field.press('Enter')
  }

  async sees(name) {
    await this.page.getByTestId('people').getByText(name, { exact: true }).waitFor()
  }

  /** Puts the cursor into the text, once one may write there: a page learns that a little after it is live. */
  async focusText(field = this.field) {
    await this.page.locator(`${field}[contenteditable="true"]`).focus()
  }

  async type(text) {
    await this.focusText()
    await this.page.keyboard.type(text, { delay: 5 })
  }

  async press(key) {
    await this.focusText()
    await this.page.keyboard.press(key)
  }

  /** The text in the editor, without the others' cursors in it. */
  async content() {
    return this.page.locator(this.field).evaluate((element) => {
      const copy = element.cloneNode(true)
      for (const widget of copy.querySelectorAll('.cm-ySelectionCaret, .cm-placeholder, .cm-widgetBuffer')) widget.remove()
      return [...copy.querySelectorAll('.cm-line')].map((line) => line.textContent).join('\n')
    })
  }

  /** Waits for another's cursor in the text, labelled with a name. */
  async seesCursorOf(name) {
    await this.page.locator('.cm-ySelectionCaret .cm-ySelectionInfo', { hasText: name }).first().waitFor({ state: 'attached' })
  }

  /** Collects what an element says from now on, however briefly: the function that this resolves to waits until a text was among it. */
  async watch(testId) {
    const said = await this.page.getByTestId(testId).evaluateHandle((element) => {
      const said = [element.textContent]
      new MutationObserver(() => said.push(element.textContent)).observe(element, { subtree: true, childList: true, characterData: true })
      return said
    })
    return (text) => this.page.waitForFunction(([said, text]) => said.includes(text), [said, text])
  }

  async historyNames(name) {
    await this.page.getByTestId('history-row').filter({ hasText: name }).first().waitFor()
  }

  async writes(text) {
    await this.page.getByTestId('message-field').pressSequentially(text)
  }

  async says(text) {
    await this.page.getByTestId('message-field').fill(text)
    await this.page.getByTestId('message-field').press('Enter')
  }

  /** Waits for an own message to be in one of sending, saved, failed. */
  async said(text, state = 'saved') {
    await this.message(text).and(this.page.locator(`[data-state="${state}"]`)).waitFor()
  }

  message(text) {
    return this.page.getByTestId('message').filter({ has: this.page.getByTestId('message-text').getByText(text, { exact: true }) })
  }

  async hears(text) {
    await this.message(text).first().waitFor({ state: 'attached' })
  }

  /** The messages in the conversation, and `✎` for edits, as they stand. */
  async conversation() {
    return this.page
      .getByTestId('timeline')
      .locator('[data-testid="message-text"], [data-testid="history-row"]')
      .evaluateAll((rows) => rows.map((row) => (row.dataset.testid === 'history-row' ? '✎' : row.textContent)))
  }

  async lists(document) {
    await this.page.getByTestId('documents').getByText(document, { exact: true }).waitFor()
  }

  /** A picture for people to look at, in tests/clients/.artifacts. */
  async picture(name) {
    await mkdir(artifacts, { recursive: true })
    await this.page.screenshot({ path: join(artifacts, `${name}.png`), animations: 'disabled' })
  }
}

/** A window of its own in a browser context. */
export async function openWindow(context) {
  return new Window(await context.newPage())
}
