// Everything through nginx, as most installations have it.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { Client, versions } from './support/client.mjs'
import { enter } from './support/json.mjs'
import { startNginx } from './support/nginx.mjs'
import { startServer } from './support/server.mjs'
import { until } from './support/until.mjs'

let server
before(async () => (server = await startServer({ args: ['--trusted-proxies', '127.0.0.1', '--sockets-per-ip-max', '3', '--ping-interval-ms', '1000', '--pong-timeout-ms', '1000', '--keepalive-interval-ms', '1000'] })))
after(() => server.close())

/** The server as it is behind the proxy. */
const behind = (url) => ({ url, yjsUrl: `${url.replace('http', 'ws')}/yjs`, token: (claims) => server.token(claims) })

test('all three protocols and REST work through nginx, and survive a silence longer than its time-out', async (t) => {
  const proxied = behind(await startNginx(t, server, { readTimeout: '3s' }))
  const room = 'docs/proxied'
  const json = await enter(t, proxied)
  await json.joins(room)
  const yjs = new Client(proxied, { version: versions[0], room })
  t.after(() => yjs.close())
  await yjs.synced()
  const doc = new Y.Doc()
  const websocketProvider = new HocuspocusProviderWebsocket({ url: `${proxied.url.replace('http', 'ws')}/hocuspocus`, WebSocketPolyfill: WebSocket })
  const hocuspocus = new HocuspocusProvider({ websocketProvider, name: room, document: doc, token: server.token() })
  hocuspocus.attach()
  t.after(() => {
    hocuspocus.destroy()
    websocketProvider.destroy()
  })
  await until(() => hocuspocus.isSynced, 'the Hocuspocus provider is synced')
  // Nobody says a word for longer than the proxy waits: pings of the server keep the connections.
  const began = Date.now()
  await until(() => Date.now() - began > 5000, 'a silence')
  yjs.type('typed through a proxy')
  await until(() => doc.getText('content').toString() === 'typed through a proxy', 'the edit arrives')
  const saved = await json.ask({ type: 'chat.message', room, text: 'said through a proxy' })
  assert.equal(saved.type, 'saved')
  assert.equal(json.closed, null)
  assert.deepEqual([yjs.sockets.length, websocketProvider.status], [1, 'connected'])
  const headers = { authorization: `Bearer ${server.token()}`, 'content-type': 'application/json' }
  const published = await fetch(`${proxied.url}/api/v1/rooms/${room}/messages`, { method: 'POST', headers, body: '{"text":"by REST"}' })
  assert.equal(published.status, 201)
  await json.hears((message) => message.text === 'by REST', 'what REST published')
})

test('clients count by their own address, and nobody can claim another beyond the proxy', async (t) => {
  const proxied = behind(await startNginx(t, server))
  const url = `${proxied.url.replace('http', 'ws')}/ws`
  const status = (address) =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, { headers: { 'X-Forwarded-For': address } })
      t.after(() => socket.terminate())
      socket.on('open', () => resolve(101)).on('unexpected-response', (_, response) => resolve(response.statusCode)).on('error', () => {})
    })
  // nginx adds the address that it sees, which is trusted here, so the one before it counts: three connections each.
  for (const address of ['198.51.100.1', '198.51.100.2']) {
    for (const expected of [101, 101, 101, 503]) assert.equal(await status(address), expected)
  }
  // What stands before an address that is not trusted is not read.
  assert.equal(await status('198.51.100.9, 198.51.100.1'), 503)
})
