// Erasing, by real clients: all of them come back by themselves and agree, whether they were there, away, or come for the first time.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as Y from 'yjs'
import { join, newRoom, versions } from './support/client.mjs'
import { startServer } from './support/server.mjs'
import { token } from './support/token.mjs'
import { talk } from './support/tutti.mjs'
import { until } from './support/until.mjs'

let server
before(async () => {
  server = await startServer({ args: ['--rate-user', '100000', '--rate-room', '100000'] })
})
after(() => server?.close())

/** Numbers that look random, the same in each run. */
function dice(seed) {
  let state = seed
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * sides)
  }
}

/** Only bob types these; between the halves of a surrogate pair somebody else may come. */
const bobs = /[X😈Z\ufffd]/gu
const withoutBobs = (text) => text.replaceAll(bobs, '')

/** Types, deletes, formats and embeds somewhere, sets keys, values, cards and paragraphs beside it, or moves a value, whosever it is. */
function scribble({ doc, text }, letters, roll, { moves = false } = {}) {
  const pick = () => letters[roll(letters.length)]
  const [list, cards] = [doc.getArray('list'), doc.getMap('cards')]
  doc.transact(() => {
    const at = roll(text.length + 1)
    const what = roll(moves ? 15 : 11)
    if (what >= 11 && list.length > 0) {
      const from = roll(list.length)
      const value = list.get(from)
      list.delete(from)
      list.insert(roll(list.length + 1), [value])
    } else if (what < 4) text.insert(at, Array.from({ length: 1 + roll(4) }, pick).join(''))
    else if (what === 4 && at < text.length) text.delete(at, 1)
    else if (what === 5 && at < text.length) text.format(at, 1, { link: pick() })
    else if (what === 6) doc.getMap('map').set(`key${roll(3)}`, pick())
    else if (what === 7) text.insertEmbed(at, { image: pick() })
    else if (what === 8 || what >= 11) list.insert(roll(list.length + 1), [pick()])
    else if (what === 9) cards.set(`card${roll(3)}`, new Y.Map([['title', pick()], ['tags', Y.Array.from([pick()])]]))
    else {
      const paragraph = new Y.XmlElement('p')
      doc.getXmlFragment('xml').insert(0, [paragraph])
      paragraph.insert(0, [new Y.XmlText(pick())])
      paragraph.setAttribute('title', pick())
    }
  })
}

const besides = (doc) => [doc.getMap('map').toJSON(), doc.getXmlFragment('xml').toString(), doc.getMap('cards').toJSON()]
const said = ({ doc }) => JSON.stringify([doc.getText('content').toDelta(), doc.getArray('list').toJSON(), ...besides(doc)])
/** A text and a list without what is bob's. */
const lines = (doc) => [withoutBobs(doc.getText('content').toString()), doc.getArray('list').toJSON().filter((value) => withoutBobs(value) === value)]

for (const version of versions) {
  describe(version.name, () => {
    test("a user's words are gone from all documents, and past states are as they were without them", async (t) => {
      const room = newRoom()
      const roll = dice(7)
      const person = (sub) => join(t, server, { version, room, as: token({ sub }) })
      const [ada, bob, dora] = [await person('ada'), await person('bob'), await person('dora')]
      const past = talk(t, server, { as: { sub: 'root', rooms: [{ room: '*', access: 'admin' }] } }).tutti.room(room).past
      ada.type('abc')
      await bob.reads('abc')
      for (let step = 0; step < 80; step++) {
        scribble(ada, ['a', 'b', 'ü'], roll, { moves: true })
        scribble(bob, ['X', '😈', 'Z'], roll)
        if (step === 40) {
          await until(() => said(dora) === said(ada) && said(ada) === said(bob), 'all agree')
          dora.goOffline()
        }
        if (roll(3) === 0) await bob.acknowledged()
      }
      // She goes on where bob's words stand.
      scribble(dora, ['d'], roll)
      await Promise.all([ada.acknowledged(), bob.acknowledged()])
      await until(() => said(ada) === said(bob), 'both agree')
      assert.match(said(ada), bobs)

      const at = async (seq) => {
        const doc = new Y.Doc()
        Y.applyUpdate(doc, (await past.document({ at: seq, format: 'yjs' })).content)
        return doc
      }
      const { seq: head } = await past.document({ at: new Date(), format: 'text', root: 'content' })
      const before = []
      for (let seq = 0; seq <= head; seq++) before.push(lines(await at(seq)))
      const sockets = [ada, bob].map((client) => client.sockets.length)

      const dry = await past.erase({ content: { user: 'bob' } })
      assert.deepEqual([dry.dryRun, dry.seq], [true, null])
      const erased = await past.erase({ content: { user: 'bob' } }, { dryRun: false })
      assert.deepEqual([erased.done, erased.units, erased.alive, erased.seq], [true, dry.units, dry.alive, head + 1])

      // Whoever was in has come back, and who was away brings only what is its own.
      await until(() => [ada, bob].every((client, index) => client.sockets.length > sockets[index] && client.provider.synced), 'all come back')
      dora.goOnline()
      await dora.synced()
      await dora.acknowledged()
      const fresh = await person('eve')
      await until(() => [ada, bob, dora].every((client) => said(client) === said(fresh)), 'all agree')
      assert.doesNotMatch(said(fresh), bobs)
      const bytes = Buffer.from(Y.encodeStateAsUpdate(fresh.doc)).toString('utf8')
      assert.doesNotMatch(bytes.replaceAll(/[^\p{L}\p{So}]/gu, ' '), /😈/u)
      assert.match(said(fresh), /d/)
      for (let seq = 0; seq <= head; seq++) {
        const doc = await at(seq)
        assert.deepEqual([doc.getText('content').toString(), doc.getArray('list').toJSON()], before[seq], `the state after ${seq}`)
        assert.doesNotMatch(JSON.stringify(besides(doc)), bobs)
      }

      // They go on.
      bob.type('!')
      await bob.acknowledged()
      await until(() => [ada, dora, fresh].every((client) => said(client) === said(bob)), 'all go on')
    })
  })
}
