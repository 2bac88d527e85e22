// The README's way to keep a y-websocket provider's token fresh, run as it stands there.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { Client, newRoom, versions } from './support/client.mjs'
import { startServer } from './support/server.mjs'
import { until } from './support/until.mjs'

let server, keepTokenFresh
before(async () => {
  server = await startServer({ args: ['--jwt-leeway-s', '0'] })
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const [code] = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code).filter((code) => code.includes('function keepTokenFresh'))
  keepTokenFresh = new Function('provider', 'fetchToken', code.replace(/const stop = .*\n$/, 'return keepTokenFresh(provider, fetchToken)'))
})
after(() => server.close())

const brief = (ttl = 4) => server.token({ ttl })
const codes = (client) => client.sockets.map((socket) => socket.closed?.code).filter(Boolean)

for (const version of versions) {
  describe(version.name, () => {
    test('a token is renewed in time, so that its end costs one reconnect and no work', async (t) => {
      const client = new Client(server, { version, room: newRoom(), as: brief() })
      t.after(() => client.close())
      let fetched = 0
      const stop = keepTokenFresh(client.provider, async () => {
        fetched += 1
        return brief()
      })
      t.after(stop)
      await client.synced()
      client.type('before ')
      await until(() => codes(client).length >= 2, 'two tokens have ended')
      client.type('after')
      await client.synced()
      await client.acknowledged()
      assert.deepEqual(new Set(codes(client)), new Set([4504]))
      assert.ok(fetched >= 3)
    })

    test('a client whose token comes only after the end of the old one comes back with it', async (t) => {
      const client = new Client(server, { version, room: newRoom(), as: brief() })
      t.after(() => client.close())
      await client.synced()
      client.type('typed')
      // The backend is away until the old token has been refused as too old.
      const stop = keepTokenFresh(client.provider, async () => {
        await until(() => codes(client).length >= 2, 'the old token was tried again')
        return brief(600)
      })
      t.after(stop)
      await until(() => client.sockets.length > 2 && client.provider.synced, 'the client is back')
      client.type(' again')
      await client.acknowledged()
      assert.deepEqual(new Set(codes(client)), new Set([4504]))
    })
  })
}
