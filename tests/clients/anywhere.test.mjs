// What one of several servers has issued is taken by all: a ticket, and the name of an event stream.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startCluster } from './support/cluster.mjs'
import { JsonClient } from './support/json.mjs'
import { until } from './support/until.mjs'

let cluster
before(async () => (cluster = await startCluster(3)))
after(() => cluster.close())

const post = (server, path, body, options) => server.fetch(path, { method: 'POST', body: JSON.stringify(body), ...options })

test('a ticket opens one connection, on whichever server', async (t) => {
  const [a, b, c] = cluster.servers
  const comesTo = (server, ticket) => {
    const client = new JsonClient(server, { as: null, url: `${server.url.replace('http', 'ws')}/ws?ticket=${ticket}` })
    t.after(() => client.drop())
    return client
  }
  const issued = await post(a, '/api/v1/tickets', {}, { as: a.token({ sub: 'ada' }) })
  const { ticket } = await issued.json()
  const first = comesTo(b, ticket)
  await first.opened()
  await first.joins('tickets')
  for (const server of [a, c]) {
    const error = await comesTo(server, ticket).hears((message) => message.type === 'auth.error', 'it is refused')
    assert.match(JSON.stringify(error), /ticket/)
  }
})

/** An event stream of a server: what it has told so far, and whether it has ended. */
async function follow(server) {
  const response = await server.fetch('/api/v1/events')
  assert.equal(response.status, 200)
  const stream = { heard: [], isOver: false }
  const read = async () => {
    let text = ''
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      text += part
      const events = text.split('\n\n')
      text = events.pop()
      const data = events.flatMap((event) => event.split('\n').filter((line) => line.startsWith('data: ')).map((line) => line.slice(6)))
      stream.heard.push(...data.map((one) => JSON.parse(one)))
    }
  }
  read().catch(() => {}).finally(() => (stream.isOver = true))
  const hears = (type) => until(() => stream.heard.find((message) => message.type === type), type, { state: () => stream.heard })
  return Object.assign(stream, { hears, client: (await hears('welcome')).clientId })
}

test('what the client of an event stream says may reach any server', async () => {
  const [a, b, c] = cluster.servers
  const stream = await follow(a)
  assert.match(stream.client, /^[\da-f-]{36}$/)
  const path = `/api/v1/events/${stream.client}`
  assert.equal((await post(b, path, { type: 'room.join', room: 'streams' })).status, 204)
  await stream.hears('room.joined')
  assert.equal((await post(c, path, { type: 'chat.message', room: 'streams', text: 'hello', requestId: '1' })).status, 204)
  assert.equal((await stream.hears('chat.message')).text, 'hello')
  assert.equal((await post(b, path, {}, { as: b.token({ sub: 'eve' }) })).status, 404, "another user's")
  assert.equal((await post(b, '/api/v1/events/00000000-0000-4000-8000-000000000000', {})).status, 404)
  assert.equal((await c.fetch(path, { method: 'DELETE' })).status, 204)
  await until(() => stream.isOver, 'the stream ends')
  assert.equal((await post(b, path, {})).status, 404)
})
