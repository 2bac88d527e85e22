// A client that is alone and does nothing. Its provider hangs up when it has heard nothing for 30 s, so this is about
// time itself and takes 70 s; nothing else is in this file, so that other files run beside it.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { join, newRoom, versions } from './support/client.mjs'
import { joinDocument, releases } from './support/hocuspocus.mjs'
import { isSame, keepAlive } from './support/frames.mjs'
import { enter } from './support/json.mjs'
import { behindNginx } from './support/nginx.mjs'
import { startServer } from './support/server.mjs'

describe('alone and idle', { concurrency: true }, () => {
  for (const version of versions) {
    test(`${version.name} keeps one connection for 70 s`, async (t) => {
      const server = await startServer()
      t.after(() => server.close())
      const ada = (await join(t, server, { version, room: newRoom() })).announce('Ada')
      await delay(70_000)
      assert.equal(ada.sockets.length, 1)
      assert.equal(ada.socket.closed, null)
      const beats = ada.socket.received.filter((frame) => isSame(frame, keepAlive)).length
      assert.ok(beats >= 4 && beats <= 6, `${beats} frames kept it alive`)
      ada.type('still connected')
      await ada.acknowledged()
    })
  }

  for (const release of releases) {
    test(`${release.name} keeps one connection for 70 s`, async (t) => {
      const server = await startServer()
      t.after(() => server.close())
      const ada = await joinDocument(t, server, { release, room: newRoom() })
      await delay(70_000)
      assert.deepEqual([ada.connection.sockets.length, ada.connection.socket.closed], [1, null])
      await ada.type('still connected').saved()
    })
  }

  // As the configuration has it, and with a proxy that gives up sooner than the silence ends: the server's pings keep it.
  for (const readTimeout of ['90s', '45s']) {
    test(`every protocol keeps one connection for 70 s through nginx with a time-out of ${readTimeout}`, async (t) => {
      const server = await startServer({ args: ['--trusted-proxies', '127.0.0.1'] })
      t.after(() => server.close())
      const proxied = await behindNginx(t, server, { readTimeout })
      const room = newRoom()
      const json = await enter(t, proxied)
      await json.joins(room)
      const yjs = await join(t, proxied, { version: versions[0], room })
      const hocuspocus = await joinDocument(t, proxied, { release: releases[0], room })
      await delay(70_000)
      assert.deepEqual([json.closed, yjs.socket.closed, hocuspocus.connection.socket.closed], [null, null, null])
      assert.deepEqual([yjs.sockets.length, hocuspocus.connection.sockets.length], [1, 1])
      yjs.type('still connected')
      await hocuspocus.reads('still connected')
      assert.equal((await json.ask({ type: 'chat.message', room, text: 'I, too' })).type, 'saved')
    })
  }
})
