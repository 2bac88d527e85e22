// A database that takes two seconds for each commit: people go on, everything is acknowledged, and batches grow instead of the wait. Who
// is on another server is shown what is committed, and so later.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { join, newRoom, versions } from './support/client.mjs'
import { serverCount } from './support/database.mjs'
import { startServer } from './support/server.mjs'

test('a slow database makes batches larger and loses nothing', async (t) => {
  const server = await startServer({ store: 'postgres' })
  t.after(() => server.close())
  const room = newRoom()
  const [ada, bob] = await Promise.all([join(t, server, { version: versions[0], room }), join(t, server, { version: versions[0], room })])
  ada.type('begun ')
  await ada.acknowledged()
  const database = new pg.Client(server.databaseUrl)
  await database.connect()
  await database.query(`create function slowly() returns trigger language plpgsql as 'begin perform pg_sleep(2); return null; end'`)
  await database.query('create table commits (at timestamptz default clock_timestamp())')
  await database.query(`create function counted() returns trigger language plpgsql as 'begin insert into commits default values; return null; end'`)
  await database.query('create trigger counted after insert or update on last_append for each statement execute function counted()')
  await database.query('create constraint trigger slowly after insert or update on last_append deferrable initially deferred for each row execute function slowly()')

  const text = Array.from({ length: 200 }, (_, number) => `${number} `)
  for (const [number, word] of text.entries()) {
    ada.type(word)
    if (serverCount === 1 && number % 10 === 9) await bob.reads(`begun ${text.slice(0, number + 1).join('')}`)
  }
  await ada.acknowledged()
  await bob.reads(`begun ${text.join('')}`)
  const { rows } = await database.query('select count(*)::int as count from commits')
  // The server drops the database at the end, and with it whoever is still connected.
  await database.end()
  assert.ok(rows[0].count <= 10, `${rows[0].count} commits for ${text.length} edits`)
  const stored = await server.fetch(`/api/v1/rooms/${room}/document?format=text&root=content`)
  assert.equal(await stored.text(), `begun ${text.join('')}`)
})
