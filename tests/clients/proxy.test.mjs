// Everything through nginx, as most installations have it. What happens in a long silence is in idle.test.mjs.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import WebSocket from 'ws'
import { join, versions } from './support/client.mjs'
import { joinDocument, releases } from './support/hocuspocus.mjs'
import { enter } from './support/json.mjs'
import { behindNginx } from './support/nginx.mjs'
import { startServer } from './support/server.mjs'

let server
before(async () => (server = await startServer({ args: ['--trusted-proxies', '127.0.0.1', '--sockets-per-ip-max', '3'] })))
after(() => server.close())

test('all three protocols and REST work through nginx', async (t) => {
  const proxied = await behindNginx(t, server)
  const room = 'docs/proxied'
  const json = await enter(t, proxied)
  await json.joins(room)
  const yjs = await join(t, proxied, { version: versions[0], room })
  const hocuspocus = await joinDocument(t, proxied, { release: releases[0], room })
  yjs.type('typed through a proxy')
  await hocuspocus.reads('typed through a proxy')
  const saved = await json.ask({ type: 'chat.message', room, text: 'said through a proxy' })
  assert.equal(saved.type, 'saved')
  const headers = { authorization: `Bearer ${server.token()}`, 'content-type': 'application/json' }
  const published = await fetch(`${proxied.url}/api/v1/rooms/${room}/messages`, { method: 'POST', headers, body: '{"text":"by REST"}' })
  assert.equal(published.status, 201)
  await json.hears((message) => message.text === 'by REST', 'what REST published')
  assert.deepEqual([json.closed, yjs.sockets.length, hocuspocus.connection.sockets.length], [null, 1, 1])
})

test('clients count by their own address, and nobody can claim another beyond the proxy', async (t) => {
  const { url } = await behindNginx(t, server)
  const status = (address) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, { headers: { 'X-Forwarded-For': address } })
      t.after(() => socket.terminate())
      socket.on('open', () => resolve(101)).on('unexpected-response', (_, response) => resolve(response.statusCode)).on('error', reject)
    })
  // nginx adds the address that it sees, which is trusted here, so the one before it counts: three connections each.
  for (const address of ['198.51.100.1', '198.51.100.2']) {
    for (const expected of [101, 101, 101, 503]) assert.equal(await status(address), expected)
  }
  // What stands before an address that is not trusted is not read.
  assert.equal(await status('198.51.100.9, 198.51.100.1'), 503)
})
