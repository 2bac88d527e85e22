// Reads a database file of a dead server as the dead server left it: on a copy, since SQLite's first reader would tidy the
// write-ahead log away that the next server must recover by itself.

import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const outputBytesMax = 1 << 30

const python = `
import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print(*row, sep="|")
`
const readers = [
  { program: 'sqlite3', args: (file, sql) => ['-bail', '-list', file, sql], probe: ['-version'] },
  { program: 'python3', args: (file, sql) => ['-c', python, file, sql], probe: ['-c', 'import sqlite3'] },
]

/** What can read a database file here, or null. */
export async function findReader() {
  for (const reader of readers) {
    try {
      await run(reader.program, reader.probe)
      return reader
    } catch {
      continue
    }
  }
  return null
}

/** The rows of a query on a copy of `file`, each a list of texts, none of which may hold a `|` or a line break. */
export async function query(reader, file, sql) {
  const folder = await mkdtemp(join(tmpdir(), 'tutti-crash-copy-'))
  const copy = join(folder, 'copy.db')
  try {
    await copyFile(file, copy)
    await copyFile(`${file}-wal`, `${copy}-wal`).catch((error) => {
      // A server that stopped in order leaves none.
      if (error.code !== 'ENOENT') throw error
    })
    const { stdout } = await run(reader.program, reader.args(copy, sql), { maxBuffer: outputBytesMax })
    return stdout.split('\n').filter(Boolean).map((line) => line.split('|'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
