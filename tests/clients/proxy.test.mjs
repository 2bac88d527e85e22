// Everything through nginx, as most installations have it. What happens in a long silence is in idle.test.mjs.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import WebSocket from 'ws'
import { join, versions } from './support/client.mjs'
import { joinDocument, releases } from './support/hocuspocus.mjs'
import { enter } from './support/json.mjs'
import { behindNginx } from './support/nginx.mjs'
import { networkTo } from './support/proxy.mjs'
import { onOneServer, startServer } from './support/server.mjs'

let server
before(async () => (server = await startServer({ args: ['--trusted-proxies', '127.0.0.1', '--sockets-per-ip-max', '3'] })))
after(() => server.close())

for (const isAtFile of [false, true]) {
  test(`all three protocols and REST work through nginx, to ${isAtFile ? 'a Unix socket' : 'a port'}`, async (t) => {
    const server = await startServer({ args: ['--trusted-proxies', '127.0.0.1'], isAtFile })
    t.after(() => server.close())
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
}

test('events of a stream come through nginx one by one, packed by nobody', async (t) => {
  const { url } = await behindNginx(t, server)
  const headers = { authorization: `Bearer ${server.token()}`, 'content-type': 'application/json', 'accept-encoding': 'gzip' }
  const stopping = new AbortController()
  t.after(() => stopping.abort())
  const stream = await fetch(`${url}/api/v1/rooms/docs/streamed/events`, { headers, signal: stopping.signal })
  assert.deepEqual([stream.status, stream.headers.get('content-encoding')], [200, null])
  const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const hears = async (part) => {
    while (!text.includes(part)) text += (await reader.read()).value
  }
  await hears('event: room.joined')
  for (const number of [1, 2, 3]) {
    const body = JSON.stringify({ text: `number ${number}` })
    assert.equal((await fetch(`${url}/api/v1/rooms/docs/streamed/messages`, { method: 'POST', headers, body })).status, 201)
    await hears(`number ${number}`)
  }
})

test('clients count by their own address, and nobody can claim another beyond the proxy', onOneServer('each server counts the connections of an address for itself'), async (t) => {
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

test('a request that comes when an idle connection is about to end is answered, also over a slow network', async (t) => {
  const hasty = await startServer({ args: ['--http-keep-alive-ms', '2000'] })
  t.after(() => hasty.close())
  const network = await networkTo(t, hasty, { delayMs: 100 })
  const headers = { authorization: `Bearer ${hasty.token()}`, 'content-type': 'application/json', connection: 'close' }
  // Before and after nginx ends idle connections, and before and after the server would.
  const pauses = Array.from({ length: 15 }, (_, step) => 800 + step * 100)
  const statuses = await Promise.all(
    pauses.map(async (pause) => {
      const { url } = await behindNginx(t, { upstream: network.address }, { keepaliveTimeout: '1s' })
      const post = async () => (await fetch(`${url}/api/v1/rooms/docs/idle/messages`, { method: 'POST', headers, body: '{"text":"hello"}' })).status
      const several = () => Promise.all(Array.from({ length: 8 }, post))
      const before = await several()
      await delay(pause)
      return [...before, ...(await several())]
    }),
  )
  assert.deepEqual([...new Set(statuses.flat())], [201])
})

test('the configuration for nginx ends idle connections before the server does', async () => {
  const read = (path) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8')
  const [, nginxS] = /keepalive_timeout (\d+)s;/.exec(await read('deploy/nginx.conf'))
  const [, serverMs] = /^TUTTI_HTTP_KEEP_ALIVE_MS=(\d+)$/m.exec(await read('.env.example'))
  assert.ok(Number(nginxS) * 1000 + 10_000 <= Number(serverMs), `${nginxS} s and ${serverMs} ms`)
})
