// Writes what the fuzzers begin with: short histories of people who type into Yjs 13, as they are sent and as they end.
//
//   node corpus.mjs FOLDER

import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { chance, typist } from './typist.mjs'

const require = createRequire(new URL('../clients/package.json', import.meta.url))
const Y = require('yjs')

const folder = process.argv[2]
const by = chance(7)
const { roots, type } = typist(Y, by)
for (const target of ['scan', 'apply', 'view']) mkdirSync(join(folder, target), { recursive: true })
const write = (target, name, bytes) => writeFileSync(join(folder, target, name), bytes)

/** Updates one behind another, each behind its length. */
const history = (gc, updates) => Buffer.concat([
  Buffer.from([gc ? 0 : 1]),
  ...updates.flatMap((update) => [Buffer.from([update.length & 0xff, update.length >> 8]), update]),
])

for (let number = 0; number < 24; number++) {
  const gc = number % 3 > 0
  const sent = []
  const people = [1, 2].map((client) => {
    const doc = new Y.Doc({ gc })
    doc.clientID = client
    const undo = new Y.UndoManager(roots.map(([name, kind]) => doc.get(name, kind)), { captureTimeout: 0 })
    doc.on('update', (update, origin) => { if (origin !== 'net') sent.push(update) })
    return { doc, undo }
  })
  for (let step = 0; step < 30; step++) {
    type(by.one(people))
    if (by.below(4) === 0) for (const { doc } of people) for (const update of [...sent]) Y.applyUpdate(doc, update, 'net')
  }
  for (const { doc } of people) for (const update of [...sent]) Y.applyUpdate(doc, update, 'net')
  const name = String(number).padStart(2, '0')
  write('apply', name, history(gc, sent))
  write('apply', `${name}-merged`, history(gc, [Y.mergeUpdates(sent.slice(3)), Y.encodeStateAsUpdate(people[0].doc)]))
  write('view', name, Y.encodeStateAsUpdate(people[0].doc))
  write('view', `${name}-written`, Y.mergeUpdates(sent))
  write('scan', name, by.one(sent))
  write('scan', `${name}-gap`, Y.mergeUpdates([sent[0], sent.at(-1)]))
}
