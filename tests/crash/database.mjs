// The database of one run, whichever store it is: the server's URL and folder, and a look at the stored entries past the server.

import { join } from 'node:path'
import { freshDatabase } from '../clients/support/database.mjs'
import { Postgres } from './postgres.mjs'
import { findReader, query } from './sqlite.mjs'

// Ascending, so that `entries(after)` can go on where it ended.
const select = (body, where) =>
  `select room.name, entry.seq, ${body} as body from entry join room on room.id = entry.room_id where ${where} order by room.name, entry.seq`

const entry = (room, seq, body) => ({ room, seq: Number(seq), body: Buffer.from(body, 'hex') })

/** Stored entries after the given seqs by room, those of rooms not named from the first. */
const where = (after) => {
  const passed = [...after].map(([room, seq]) => `(room.name = '${room}' and entry.seq <= ${seq})`)
  return passed.length === 0 ? '1 = 1' : `not (${passed.join(' or ')})`
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
    const rows = await query(this.reader, join(this.folder, 'tutti.db'), select('hex(entry.body)', where(after)))
    return rows.map((row) => entry(...row))
  }
}

class PostgresDatabase {
  isReadable = true

  constructor(postgres) {
    Object.assign(this, { url: postgres.url, folder: postgres.folder, postgres })
  }

  async entries(after) {
    const rows = await this.postgres.query(select("encode(entry.body, 'hex')", where(after)))
    return rows.map(({ name, seq, body }) => entry(name, seq, body))
  }

  async drop() {
    await this.postgres.kill()
    await this.postgres.drop()
  }
}

/** A fresh database: `{ url, folder, postgres or null, isReadable, entries(after), drop() }`. */
export async function createDatabase(store) {
  if (store === 'postgres') return new PostgresDatabase(await Postgres.create())
  return new SqliteDatabase(await freshDatabase(store), await findReader())
}
