// Recorded editing sessions of real people, as streams of Yjs updates. The README beside the data explains its format.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import * as Y from 'yjs'

/** The parsed recording `name`; fails where it is missing, so that no replay passes without its input. */
export function recording(name) {
  const path = fileURLToPath(new URL(`../../data/${name}.json.gz`, import.meta.url))
  return JSON.parse(gunzipSync(readFileSync(path)))
}

/** Types patches, whose positions count Unicode code points, into a Y.Text, which counts UTF-16 units. */
export class Typist {
  #text
  #hasPairs = false

  constructor(text) {
    this.#text = text
  }

  type(patches) {
    this.#text.doc.transact(() => {
      for (const [position, deleted, inserted] of patches) this.#patch(position, deleted, inserted)
    })
  }

  #patch(position, deleted, inserted) {
    let [from, to] = [position, position + deleted]
    // Without surrogate pairs both counts are the same, and a look at the whole text for each key would be slow.
    if (this.#hasPairs) {
      const points = [...this.#text.toString()]
      const units = (count) => points.slice(0, count).join('').length
      ;[from, to] = [units(from), units(to)]
    }
    if (to > from) this.#text.delete(from, to - from)
    if (inserted) this.#text.insert(from, inserted)
    this.#hasPairs ||= /[\ud800-\udfff]/.test(inserted)
  }
}

/**
 * What each author of a recorded session sends, with the recorded concurrency. Each transaction is typed into its author's
 * own document, which holds exactly what the recording says that the author had seen. The result, for each author:
 * `{ clientId, edits }`, an edit being `{ update, clock, seen }`: its Yjs update, the author's clock after it, and the
 * other author's clock that must be reached before.
 */
export function concurrentEdits({ txns, numAgents }) {
  if (numAgents !== 2) throw new Error(`a session of two is needed, not of ${numAgents}`)
  const authors = [0, 1].map((number) => author(number + 1))
  // For each transaction, how many of each author's it comes after, itself included.
  const histories = []
  for (const { parents, agent: number, patches } of txns) {
    const history = [0, 1].map((one) => Math.max(0, ...parents.map((parent) => histories[parent][one])))
    const [own, other] = [authors[number], authors[1 - number]]
    if (history[number] !== own.edits.length) throw new Error('an author comes after all that the same author did')
    own.merge(other, history[1 - number])
    own.type(patches, other.clockAfter(history[1 - number]))
    history[number] += 1
    histories.push(history)
  }
  return authors.map(({ clientId, edits }) => ({ clientId, edits }))
}

function author(clientId) {
  const doc = new Y.Doc()
  doc.clientID = clientId
  const typist = new Typist(doc.getText('content'))
  const edits = []
  let merged = 0
  const updates = []
  doc.on('update', (update, origin) => origin !== 'merge' && updates.push(update))
  return {
    clientId,
    edits,
    clockAfter: (count) => (count === 0 ? 0 : edits[count - 1].clock),
    merge(other, count) {
      if (count < merged) throw new Error('an author saw something and then did not')
      for (; merged < count; merged += 1) Y.applyUpdate(doc, other.edits[merged].update, 'merge')
    },
    type(patches, seen) {
      typist.type(patches)
      const [update] = updates.splice(0)
      edits.push({ update, clock: Y.getState(doc.store, clientId), seen })
    },
  }
}
