// A message beyond the limit, through a proxy, which ends both directions of a connection with one of them: whoever is in the middle of
// the message gets the close frame and not a reset.

process.env.TUTTI_SERVERS = '3'

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { RecordingSocket } from './support/socket.mjs'

let server
before(async () => {
  const { startServer } = await import('./support/server.mjs')
  server = await startServer()
})
after(() => server?.close())

test('who sends too much through HAProxy is told so, each time', async (t) => {
  for (let n = 0; n < 10; n += 1) {
    const protocols = ['tutti.v1', `auth.${server.token()}`]
    const socket = await new RecordingSocket(`${server.url.replace('http', 'ws')}/ws`, protocols).opened()
    t.after(() => socket.terminate())
    socket.send('x'.repeat(20_000_000))
    assert.equal((await socket.ended()).code, 1009)
  }
})
