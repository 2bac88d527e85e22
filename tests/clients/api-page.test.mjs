// The page to try the REST API, in a real browser: what it shows is the server's own description, and what it asks is answered.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { bePatient, startBrowser, Window } from './support/browser.mjs'
import { startServer } from './support/server.mjs'
import { token } from './support/token.mjs'

let server
let browser
before(async () => {
  // Without the demo: whoever writes a back end has none.
  server = await startServer()
  browser = await startBrowser()
})
after(async () => {
  await browser?.close()
  await server?.close()
})

test('the page shows every operation, tries one with a token, and asks nobody else', async (t) => {
  await server.fetch('/api/v1/rooms/docs%2Fplan/messages', { method: 'POST', body: '{"text":"hi"}' })
  for (const colorScheme of ['light', 'dark']) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme })
    t.after(() => context.close())
    const page = await context.newPage()
    bePatient(page)
    const troubles = []
    page.on('pageerror', (error) => troubles.push(String(error)))
    // Also what the content security policy forbids.
    page.on('console', (message) => { if (message.type() === 'error') troubles.push(message.text()) })
    page.on('request', (request) => { if (!request.url().startsWith(server.url)) troubles.push(request.url()) })
    await page.goto(`${server.url}/api`)
    const { paths } = await (await server.fetch('/api/v1/openapi.json', { as: null })).json()
    for (const { summary } of Object.values(paths).flatMap((path) => Object.values(path))) {
      await page.getByText(summary, { exact: true }).first().waitFor({ state: 'attached' })
    }
    await page.getByText('Authentication', { exact: true }).first().click()
    await page.getByPlaceholder('JWT').fill(token())
    await page.getByPlaceholder('JWT').press('Enter')
    await page.getByText(paths['/api/v1/rooms'].get.summary).first().click()
    await page.getByRole('button', { name: 'Execute' }).click()
    await page.getByText('"docs/plan"').first().waitFor()
    await new Window(page).picture(`api-${colorScheme}`)
    assert.deepEqual(troubles, [])
  }
})
