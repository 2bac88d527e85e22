// Documents of the real Hocuspocus and y-websocket persistence, imported, read by a client, and taken back out.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join as joinPath } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { SQLite } from '@hocuspocus/extension-sqlite'
import { LeveldbPersistence as Leveldb02 } from 'y-leveldb'
import { LeveldbPersistence as Leveldb01 } from 'y-leveldb-0-1'
import * as Y from 'yjs'
import { join, versions } from './support/client.mjs'
import { freshDatabase, stores } from './support/database.mjs'
import { concurrentEdits, recording, Typist } from './support/recordings.mjs'
import { program, Server } from './support/server.mjs'
import { until } from './support/until.mjs'

const [version] = versions
// A debug build merges thousands of recorded updates.
const patient = { withinMs: 300_000 }
/** Each release of y-leveldb is imported into one of the stores: 0.1 came with y-websocket 1 and 2. */
const leveldbs = [Leveldb01, Leveldb02]

/** A database for a server that does not run yet; dropped with the test. */
async function database(t, store) {
  const fresh = await freshDatabase(store)
  const server = new Server(fresh, {})
  t.after(() => server.close())
  return { ...fresh, server }
}

/** Runs the program beside the database, which must end well; what it printed. */
async function tutti(place, ...args) {
  const { code, out, complaints } = await run(place, ...args)
  assert.equal(code, 0, `${args.join(' ')}: ${out}${complaints}`)
  return out
}

async function run({ url, folder }, ...args) {
  const { PATH, HOME } = process.env
  const child = spawn(program, args, { cwd: folder, env: { PATH, HOME, DATABASE_URL: url }, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = Promise.all([text(child.stdout), text(child.stderr)])
  await until(() => child.exitCode !== null || child.signalCode !== null, `it ends: ${args.join(' ')}`, patient)
  const [out, complaints] = await said
  return { code: child.exitCode, out, complaints }
}

/** Changes one byte in the middle of LevelDB's largest table. */
function damageLargestTable(folder) {
  const tables = readdirSync(folder).filter((name) => name.endsWith('.ldb')).map((name) => joinPath(folder, name))
  const largest = tables.sort((a, b) => statSync(a).size - statSync(b).size).at(-1)
  const bytes = readFileSync(largest)
  bytes[bytes.length >> 1] ^= 1
  writeFileSync(largest, bytes)
}

const typed = (type) => {
  const doc = new Y.Doc()
  type(doc)
  return doc
}

const contentOf = (state) => typed((doc) => Y.applyUpdate(doc, state)).getText('content').toString()

test('the function in the guide names the rooms as --rename does', async (t) => {
  const guide = readFileSync(new URL('../../docs/MIGRATING.md', import.meta.url), 'utf8')
  const [code] = /(?<=```js\n)export function room [\s\S]*?(?=```)/.exec(guide)
  const { room } = await import(`data:text/javascript,${encodeURIComponent(code)}`)
  const names = [
    'plain', 'docs/a b', 'a~b', '~~', 'x~4', '~c3', '.a', '...', 'Übersicht', '会議・メモ', '🎻', // as they are
    '~C3', 'a/~/b', '~', 'U\u0308bersicht', 'a+b', 'a//b', '/a', 'a/', '/', '.', '..', 'a/../b', 'é~', 'é+', '\u0000', 'a%20b', 'line\nbreak',
    '👩\u200d💻', 'x\u200a\u0301', '\u202eabc', 'Å+', '\u212b+',
  ]
  const place = await database(t, 'sqlite')
  const file = joinPath(place.folder, 'hocuspocus.sqlite')
  const hocuspocus = new SQLite({ database: file })
  await hocuspocus.onConfigure()
  for (const documentName of names) {
    const state = Buffer.from(Y.encodeStateAsUpdate(typed((doc) => doc.getText('content').insert(0, documentName))))
    await hocuspocus.configuration.store({ documentName, state })
  }
  hocuspocus.db.close()
  await tutti(place, 'import', file, '--rename')
  await place.server.start()
  for (const name of names) {
    const path = room(name).split('/').map(encodeURIComponent).join('/')
    const document = await (await place.server.fetch(`/api/v1/rooms/${path}/document`)).json()
    assert.deepEqual(document, { content: name })
  }
})

test('what was deleted is imported and exported with the rest, where gc is off', async (t) => {
  const old = new Y.Doc({ gc: false })
  old.getText('content').insert(0, 'the first version')
  const snapshot = Y.snapshot(old)
  old.getText('content').delete(4, 6)
  for (const [gc, keeps] of [['false', true], ['true', false]]) {
    const place = await database(t, 'sqlite')
    writeFileSync(joinPath(place.folder, 'page.yjs'), Y.encodeStateAsUpdate(old))
    await tutti(place, 'import', 'page.yjs', '--gc', gc)
    await tutti(place, 'export', 'page', '--to', 'out', '--format', 'yjs', '--gc', gc)
    const exported = new Y.Doc({ gc: false })
    Y.applyUpdate(exported, readFileSync(joinPath(place.folder, 'out/page.yjs')))
    assert.equal(exported.getText('content').toString(), 'the version')
    const past = Y.createDocFromSnapshot(exported, snapshot).getText('content').toString()
    assert.equal(past === 'the first version', keeps, past)
  }
})

for (const [i, store] of stores.entries()) {
  describe(`import and export on ${store}`, () => {
    test("documents of Hocuspocus' SQLite extension are there for a client, and can go back", async (t) => {
      const place = await database(t, store)
      const file = joinPath(place.folder, 'hocuspocus.sqlite')
      const hocuspocus = new SQLite({ database: file })
      await hocuspocus.onConfigure()
      const { txns, endContent } = recording('seph-blog1')
      const article = typed((doc) => {
        const typist = new Typist(doc.getText('content'))
        for (const { patches } of txns) typist.type(patches)
      })
      const untouched = new Y.Doc()
      for (const [documentName, doc] of Object.entries({ 'docs/article': article, untouched })) {
        await hocuspocus.configuration.store({ documentName, state: Buffer.from(Y.encodeStateAsUpdate(doc)) })
      }

      const out = await tutti(place, 'import', file)
      assert.match(out, /^imported +1$/m)
      assert.match(out, /^skipped: nothing was ever written +1$/m)
      await place.server.start()
      const client = await join(t, place.server, { version, room: 'docs/article' })
      await client.reads(endContent, patient)
      client.type(' And more.')
      await client.acknowledged()
      const history = await (await place.server.fetch('/api/v1/rooms/docs/article/history')).json()
      assert.deepEqual(history.entries.map(({ author }) => author), ['import', 'ada'])
      await place.server.stop()

      await tutti(place, 'export', 'docs/*', '--to', 'out', '--format', 'yjs')
      const state = readFileSync(joinPath(place.folder, 'out/docs/article.yjs'))
      await hocuspocus.configuration.store({ documentName: 'docs/article', state })
      const back = await hocuspocus.configuration.fetch({ documentName: 'docs/article' })
      assert.equal(contentOf(back), `${endContent} And more.`)
      hocuspocus.db.close()
    })

    test("documents of y-websocket's LevelDB folder are there for a client", async (t) => {
      const place = await database(t, store)
      const folder = joinPath(place.folder, 'leveldb')
      const Leveldb = leveldbs[i % leveldbs.length]
      const session = recording('friendsforever')
      const doc = new Y.Doc()
      let leveldb = new Leveldb(folder)
      let stored = Promise.resolve()
      doc.on('update', (update) => (stored = leveldb.storeUpdate('docs/friends', update)))
      const [first, second] = concurrentEdits(session)
      const merge = (author, other) => {
        const hasSeen = ({ seen }) => Y.getState(doc.store, other.clientId) >= seen
        while (author.edits.length > 0 && hasSeen(author.edits[0])) Y.applyUpdate(doc, author.edits.shift().update)
      }
      for (let round = 0; first.edits.length + second.edits.length > 0; round += 1) {
        merge(first, second)
        merge(second, first)
        if (round === 10) {
          // Opened again, LevelDB has what came before in tables, and only the rest in its log.
          await stored
          await leveldb.destroy()
          leveldb = new Leveldb(folder)
        }
      }
      assert.equal(doc.getText('content').toString(), session.endContent)
      const merged = typed((doc) => doc.getText('content').insert(0, 'merged'))
      await leveldb.storeUpdate('merged', Y.encodeStateAsUpdate(merged))
      merged.getText('content').insert(6, ' once')
      await leveldb.storeUpdate('merged', Y.encodeStateAsUpdate(merged))
      await leveldb.flushDocument('merged')
      await leveldb.setMeta('merged', 'owner', { name: 'Ada' })
      await stored
      await leveldb.destroy()
      const before = readdirSync(folder).sort()

      const out = await tutti(place, 'import', folder)
      assert.match(out, /^imported +2$/m)
      assert.match(out, /skipped 1 entries of metadata/)
      assert.deepEqual(readdirSync(folder).sort(), before, 'the folder is left as it is')
      const damaged = joinPath(place.folder, 'damaged')
      cpSync(folder, damaged, { recursive: true })
      damageLargestTable(damaged)
      const { code, out: said, complaints } = await run(place, 'import', damaged, '--prefix', 'damaged/')
      assert.equal(code, 1, said)
      assert.match(said + complaints, /damaged/)

      await place.server.start()
      const { rooms } = await (await place.server.fetch('/api/v1/rooms?prefix=damaged/docs')).json()
      assert.deepEqual(rooms, [], 'of a document that cannot all be read nothing is imported')
      const client = await join(t, place.server, { version, room: 'docs/friends' })
      await client.reads(session.endContent, patient)
      const other = await join(t, place.server, { version, room: 'merged' })
      await other.reads('merged once')
    })
  })
}
