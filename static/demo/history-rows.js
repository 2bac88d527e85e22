// Turns timeline entries into rows that a person can read: consecutive edits of one author, none more than a minute after the one
// before, are one row. Pure.

const PAUSE_MS_MAX = 60_000

/** @typedef {{ author: string, fromSeq: number, toSeq: number, fromMs: number, toMs: number, edits: number }} Row */

/** @returns {Row[]} ascending, as the entries */
export const rowsOf = (entries) => entries.reduce((rows, { seq, author, at }) => {
  const ms = Date.parse(at)
  add(rows, { author, fromSeq: seq, toSeq: seq, fromMs: ms, toMs: ms, edits: 1 })
  return rows
}, [])

/** One list of two that follow each other; rows that meet at the seam become one. @param {Row[]} older  @param {Row[]} newer */
export function joinRows (older, newer) {
  const rows = [...older]
  for (const row of newer) add(rows, row)
  return rows
}

function add (rows, row) {
  const last = rows.at(-1)
  if (last?.author === row.author && row.fromMs - last.toMs <= PAUSE_MS_MAX) {
    rows[rows.length - 1] = { ...last, toSeq: row.toSeq, toMs: row.toMs, edits: last.edits + row.edits }
  } else {
    rows.push(row)
  }
}
