// Fresh databases for a server under test: an SQLite file in a temporary folder, or a PostgreSQL database of its own.

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import pg from 'pg'

/** How many servers stand where tests start one. */
export const serverCount = Number(process.env.TUTTI_SERVERS ?? 1)

/** The stores that servers under test may have; several servers share none but Postgres. */
export const stores = serverCount > 1 ? ['postgres'] : ['sqlite', 'postgres']

/** `{ url, folder, drop }`: the folder is the server's working folder and goes with the database. */
export async function freshDatabase(store) {
  const folder = await mkdtemp(join(tmpdir(), 'tutti-clients-'))
  const dropFolder = () => rm(folder, { recursive: true, force: true })
  if (store === 'sqlite') return { url: `sqlite://${join(folder, 'tutti.db')}`, folder, drop: dropFolder }

  const admin = process.env.TUTTI_TEST_POSTGRES_URL
  if (!admin) throw new Error('TUTTI_TEST_POSTGRES_URL is not set: run `make test`, or scripts/with-postgres.sh npm test')
  const database = `tutti_clients_${randomBytes(8).toString('hex')}`
  await query(admin, `create database ${database}`)
  const url = new URL(admin)
  url.pathname = `/${database}`
  const drop = async () => {
    await query(admin, `drop database if exists ${database} with (force)`)
    await dropFolder()
  }
  return { url: url.href, folder, drop }
}

/** Keeps everyone else from a table of a PostgreSQL database, until the function that this returns is called. */
export async function holdTable(url, table) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('begin')
  await client.query(`lock table ${table} in access exclusive mode`)
  return () => client.end()
}

/** Runs a statement on a connection of its own. */
export async function query(url, sql) {
  if (url.startsWith('sqlite://')) {
    const database = new Database(url.slice('sqlite://'.length), { timeout: 10_000 })
    database.exec(sql)
    database.close()
    return
  }
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

/** Keeps the server from storing anything until the function that this resolves to is called. */
export async function holdDatabase({ databaseUrl }) {
  if (databaseUrl.startsWith('sqlite://')) {
    const database = new Database(databaseUrl.slice('sqlite://'.length), { timeout: 10_000 })
    database.exec('begin exclusive')
    return async () => database.close()
  }
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query('begin')
  await client.query('lock table entry in access exclusive mode')
  return () => client.end()
}
