// The database of one run, whichever store it is: the server's URL and folder, and a look at the stored entries past the server.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { freshDatabase } from '../clients/support/database.mjs'
import { Postgres } from './postgres.mjs'
import { findReader, query } from './sqlite.mjs'

const unpacker = process.env.TUTTI_UNPACK ?? new URL('../../target/debug/examples/unpack', import.meta.url).pathname

/** Rows and packs by one statement, which sees one moment: an edit is in one of them. */
const select = (hex, after) => `
  select room.name as room, entry.seq as seq, 0 as packed, ${hex('entry.body')} as body
    from entry join room on room.id = entry.room_id where ${where(after, 'entry')}
  union all select room.name, pack.seq, 1, ${hex('pack.body')} from pack join room on room.id = pack.room_id where ${where(after, 'pack')}`

const packed = 'select coalesce(sum(entries), 0) as entries from pack_user'

/** Stored entries after the given seqs by room, those of rooms not named from the first. */
const where = (after, table) => {
  const passed = [...after].map(([room, seq]) => `(room.name = '${room}' and ${table}.seq <= ${seq})`)
  return passed.length === 0 ? '1 = 1' : `not (${passed.join(' or ')})`
}

/** The entries in rows `{ room, seq, packed, body }`, in the order of their seqs, those that are asked for. */
async function entries(rows, after) {
  const packs = rows.filter(({ packed }) => Number(packed) === 1)
  const found = rows.filter(({ packed }) => Number(packed) === 0).map(({ room, seq, body }) => entry(room, seq, body))
  const unpacked = packs.length === 0 ? [] : (await unpack(packs.map(({ body }) => body))).split('\n')
  packs.forEach(({ room }, i) => {
    for (const edit of unpacked[i].split(' ')) found.push(entry(room, ...edit.split(':')))
  })
  return found.filter(({ room, seq }) => seq > (after.get(room) ?? 0)).sort((a, b) => (a.room < b.room ? -1 : a.room > b.room ? 1 : a.seq - b.seq))
}

const entry = (room, seq, body) => ({ room, seq: Number(seq), body: Buffer.from(body, 'hex') })

function unpack(packs) {
  return new Promise((resolve, reject) => {
    const child = execFile(unpacker, { maxBuffer: 1 << 30 }, (error, stdout) => (error ? reject(error) : resolve(stdout)))
    child.stdin.end(packs.join('\n'))
  })
}

class SqliteDatabase {
  postgres = null

  constructor(fresh, reader) {
    Object.assign(this, { url: fresh.url, folder: fresh.folder, drop: fresh.drop, reader })
  }

  get isReadable() {
    return this.reader !== null
  }

  /** Only while no server runs on it: the copy is made in no transaction. */
  async entries(after) {
    const rows = await query(this.reader, join(this.folder, 'tutti.db'), select((body) => `hex(${body})`, after))
    return entries(rows.map(([room, seq, packed, body]) => ({ room, seq, packed, body })), after)
  }

  /** How many edits are in packs, likewise. */
  async packed() {
    return Number((await query(this.reader, join(this.folder, 'tutti.db'), packed))[0][0])
  }
}

class PostgresDatabase {
  isReadable = true

  constructor(postgres) {
    Object.assign(this, { url: postgres.url, folder: postgres.folder, postgres })
  }

  async entries(after) {
    return entries(await this.postgres.query(select((body) => `encode(${body}, 'hex')`, after)), after)
  }

  async packed() {
    return Number((await this.postgres.query(packed))[0].entries)
  }

  async drop() {
    await this.postgres.kill()
    await this.postgres.drop()
  }
}

/** A fresh database: `{ url, folder, postgres or null, isReadable, entries(after), packed(), drop() }`. */
export async function createDatabase(store) {
  if (store === 'postgres') return new PostgresDatabase(await Postgres.create())
  return new SqliteDatabase(await freshDatabase(store), await findReader())
}
