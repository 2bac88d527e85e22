// Compression, with clients as they are: npm's `ws`, which the providers use in Node.js, and a browser offer it by themselves.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openWindow, startBrowser } from './support/browser.mjs'
import { join, newRoom, versions } from './support/client.mjs'
import { joinDocument, releases } from './support/hocuspocus.mjs'
import { enter } from './support/json.mjs'
import { startServer } from './support/server.mjs'
import { atOnce, until } from './support/until.mjs'

const extension = 'permessage-deflate'
const withoutOffer = { perMessageDeflate: false }
const prose = 'It was the best of times, it was the worst of times, it was the age of wisdom. '.repeat(200)

async function start(t, ...args) {
  const server = await startServer({ args: ['--compression', 'on', ...args] })
  t.after(() => server.close())
  return server
}

/** All that came over a socket, handshake included, in bytes. */
const bytesRead = (socket) => socket._socket.bytesRead
const isCompressing = (socket) => socket.extensions.includes(extension)

describe('compression', { concurrency: true }, () => {
  for (const version of versions) {
    test(`${version.name} with and without compression in one room gets the same frames`, async (t) => {
      const server = await start(t)
      const room = newRoom()
      const ada = await join(t, server, { version, room })
      const bob = await join(t, server, { version, room })
      const cleo = await join(t, server, { version, room, socketOptions: withoutOffer })
      assert.deepEqual([ada, bob, cleo].map(({ socket }) => isCompressing(socket)), [true, true, false])
      const updates = ({ socket }) => socket.received.filter((frame) => frame[0] === 0 && frame[1] === 2)
      ada.type(prose)
      await ada.acknowledged()
      ada.type('short')
      await ada.acknowledged()
      for (const other of [bob, cleo]) await other.reads(`${prose}short`)
      assert.equal(updates(bob).length, 2)
      assert.deepEqual(updates(bob), updates(cleo))
      assert.ok(bytesRead(bob.socket) < 4000, `${bytesRead(bob.socket)} bytes`)
      assert.ok(bytesRead(cleo.socket) > prose.length)
      // The document of who comes later, and what one without compression types.
      cleo.type('from Cleo', 0)
      await cleo.acknowledged()
      const late = await join(t, server, { version, room })
      await late.reads(`from Cleo${prose}short`)
      assert.ok(isCompressing(late.socket) && bytesRead(late.socket) < 4000, `${bytesRead(late.socket)} bytes`)
    })
  }

  for (const release of releases) {
    test(`${release.name} edits and is saved with compression`, async (t) => {
      const server = await start(t)
      const room = newRoom()
      const ada = await joinDocument(t, server, { release, room })
      const bob = await join(t, server, { version: versions[0], room, socketOptions: withoutOffer })
      assert.ok(isCompressing(ada.connection.socket))
      await ada.type(prose).saved()
      await bob.reads(prose)
      bob.type('from Bob', 0)
      await ada.reads(`from Bob${prose}`)
      const late = await joinDocument(t, server, { release, room })
      await late.reads(`from Bob${prose}`)
      assert.ok(bytesRead(late.connection.socket) < 4000, `${bytesRead(late.connection.socket)} bytes`)
    })
  }

  test('JSON clients with compression send and are sent long messages', async (t) => {
    const server = await start(t)
    const room = newRoom()
    const [ada, bob] = [await enter(t, server), await enter(t, server)]
    for (const client of [ada, bob]) await client.joins(room)
    assert.ok(isCompressing(ada.socket))
    const { seq } = await ada.ask({ type: 'chat.message', room, text: prose })
    const heard = await bob.hears((message) => message.type === 'chat.message', 'the message')
    assert.deepEqual([heard.text, heard.seq], [prose, seq])
    assert.ok(bytesRead(bob.socket) < 4000, `${bytesRead(bob.socket)} bytes`)
  })

  test('a browser compresses, and a client without compression reads what it writes', async (t) => {
    const server = await start(t, '--demo')
    const browser = await startBrowser()
    t.after(() => browser.close())
    const window = await openWindow(browser)
    await window.open(`${server.url}/d/compressed`)
    const bob = await join(t, server, { version: versions[0], room: 'demo/compressed', socketOptions: withoutOffer })
    await window.focusText()
    await window.page.keyboard.insertText(prose)
    await bob.reads(prose)
    bob.type('from Bob. ', 0)
    await bob.acknowledged()
    await until(async () => (await window.content()) === `from Bob. ${prose}`, 'the browser reads it', atOnce)

    const echoed = await window.page.evaluate(
      (text) =>
        new Promise((resolve, reject) => {
          const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/echo`)
          socket.onopen = () => socket.send(text)
          socket.onmessage = ({ data }) => resolve({ extensions: socket.extensions, data })
          socket.onclose = ({ code }) => reject(new Error(`closed with ${code}`))
        }),
      prose,
    )
    assert.equal(echoed.data, prose)
    assert.ok(echoed.extensions.includes(extension), echoed.extensions)
    assert.deepEqual(window.errors, [])
  })
})
