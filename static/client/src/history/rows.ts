// What can be gone to from the list: sessions of editing and named versions, the newest first. Pure.

import type { Session, Version } from '../types.js'
import type { Timeline } from './timeline.js'

export interface Row {
  kind: 'session' | 'version'
  /** The entry that it is gone to, and the edit of the timeline that is that. */
  seq: number
  edit: number
  /** Of a session when it began and ended, of a version when its document was so. */
  fromMs: number
  toMs: number
  users: string[]
  label?: string
  inserted: number
  deleted: number
}

export function rowsOf (timeline: Timeline, sessions: readonly Session[], versions: readonly Version[]): Row[] {
  const ofSession = ({ to, startedAt, endedAt, authors }: Session): Row => ({
    kind: 'session',
    seq: to,
    edit: timeline.editAt(to),
    fromMs: Date.parse(startedAt),
    toMs: Date.parse(endedAt),
    users: authors.map(({ user }) => user),
    inserted: authors.reduce((sum, { inserted }) => sum + inserted, 0),
    deleted: authors.reduce((sum, { deleted }) => sum + deleted, 0)
  })
  const ofVersion = ({ seq, label, authors }: Version): Row => {
    const edit = timeline.editAt(seq)
    const ms = timeline.timeOf(edit)
    return { kind: 'version', seq, edit, fromMs: ms, toMs: ms, users: authors, label, inserted: 0, deleted: 0 }
  }
  const isFirst = (row: Row) => row.kind === 'version' ? 0 : 1
  return [...sessions.map(ofSession), ...versions.map(ofVersion)].sort((a, b) => b.seq - a.seq || isFirst(a) - isFirst(b))
}

/** For each of so many parts of the timeline the number of who made most edits in it. */
export function strip (timeline: Timeline, parts: number): number[] {
  const numbers = new Map(timeline.authors.map((user, number) => [user, number]))
  return Array.from({ length: Math.min(parts, timeline.count) }, (_, part, all = Math.min(parts, timeline.count)) => {
    const counts = new Map<number, number>()
    const [from, to] = [Math.floor(part * timeline.count / all), Math.floor((part + 1) * timeline.count / all)]
    for (let edit = from + 1; edit <= to; edit++) {
      const number = numbers.get(timeline.editorOf(edit)!)!
      counts.set(number, (counts.get(number) ?? 0) + 1)
    }
    return [...counts].reduce((most, next) => next[1] > most[1] ? next : most, [0, 0])[0]
  })
}
