// Frames that are lost, sent twice or out of order, by Yjs 13 itself: what the server acknowledges it has, and what it renders is
// what Yjs shows. Random, from a seed that a failure names.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import * as Y from 'yjs'
import { newRoom } from './support/client.mjs'
import { barrier, isSame, isStep1, updateFrame } from './support/frames.mjs'
import { startServer } from './support/server.mjs'
import { openSocket } from './support/socket.mjs'
import { until } from './support/until.mjs'

const rounds = 20
const stepsPerRound = 60

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
function randomFrom(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const isUpdate = (frame) => frame[0] === 0 && frame[1] === 2

/** One change of a random kind in one of the shared types that editors use. */
function change(doc, random) {
  const pick = (count) => Math.floor(random() * count)
  const text = doc.getText('text')
  const list = doc.getArray('list')
  const map = doc.getMap('map')
  const xml = doc.getXmlFragment('xml')
  const words = ['one', 'zwei', '三', '👋🏽', 'x'.repeat(30)]
  const place = pick(text.length + 1)
  switch (pick(8)) {
    case 0:
    case 1:
      return text.insert(place, words[pick(words.length)])
    case 2:
      return text.delete(place, Math.min(pick(4), text.length - place))
    case 3:
      return list.insert(pick(list.length + 1), [words[pick(words.length)], pick(100), null, { deep: [true, 1.5] }])
    case 4:
      return list.length > 0 ? list.delete(pick(list.length), 1) : undefined
    case 5:
      return map.set(`key${pick(4)}`, pick(2) ? words[pick(words.length)] : new Y.Map([['inner', pick(10)]]))
    case 6:
      return map.delete(`key${pick(4)}`)
    default: {
      const paragraph = new Y.XmlElement('paragraph')
      paragraph.insert(0, [new Y.XmlText(words[pick(words.length)])])
      return xml.insert(pick(xml.length + 1), [paragraph])
    }
  }
}

/** A document as the server renders it. */
const rendered = (doc) => ({
  text: doc.getText('text').toString(),
  list: doc.getArray('list').toJSON(),
  map: doc.getMap('map').toJSON(),
  xml: doc.getXmlFragment('xml').toString(),
})

/** What was filled and emptied again has lost its kind: the server shows it as an empty array or text. */
const withoutEmptied = (types) => Object.fromEntries(Object.entries(types).filter(([, value]) => Object.keys(value).length > 0))

/** A client whose frames get lost, doubled and out of order on their way. */
class LossyClient {
  waiting = []
  doc = new Y.Doc()
  #random
  #socket
  #barriers = 0
  /** The state vector of the server's newest Step1. */
  #asked = null

  constructor(t, server, room, random) {
    this.#random = random
    this.#socket = openSocket(server, room)
    t.after(() => this.#socket.terminate())
    this.doc.on('update', (update, origin) => origin !== this && this.waiting.push(update))
    this.#socket.on('frame', (frame) => {
      if (isSame(frame, barrier)) this.#barriers += 1
      else if (isStep1(frame)) this.#asked = frame.subarray(3)
      else if (isUpdate(frame)) this.#apply(frame)
    })
  }

  #apply(frame) {
    let at = 2
    while (frame[at++] & 0x80);
    Y.applyUpdate(this.doc, frame.subarray(at), this)
  }

  async opened() {
    await this.#socket.opened()
    return until(() => this.#asked, 'the server asks for what it lacks')
  }

  /** Sends, sends again, swaps or loses what waits. */
  disturb() {
    const [first, second] = this.waiting
    if (first === undefined) return
    const chance = this.#random()
    if (chance < 0.5) this.#socket.send(updateFrame(this.waiting.shift()))
    else if (chance < 0.65) this.#socket.send(updateFrame(first))
    else if (chance < 0.8) this.waiting.shift()
    else if (second !== undefined) this.waiting.splice(0, 2, second, first)
  }

  /** Answers the server's newest Step1 as Yjs does, until everything is acknowledged. */
  async settled() {
    this.waiting = []
    const frame = updateFrame(Y.encodeStateAsUpdate(this.doc, this.#asked))
    frame[1] = 1
    this.#socket.send(frame)
    const before = this.#barriers
    this.#socket.send(barrier)
    await until(() => this.#barriers > before, 'all is acknowledged')
  }
}

describe('lossy ways', () => {
  test('what is acknowledged is there for everyone, and the server renders what Yjs shows', async (t) => {
    const seed = Number(process.env.TUTTI_TEST_SEED ?? Date.now() % 1_000_000)
    const random = randomFrom(seed)
    const server = await startServer()
    t.after(() => server.close())
    for (let round = 0; round < rounds; round += 1) {
      const room = newRoom()
      const clients = [0, 1, 2].map(() => new LossyClient(t, server, room, random))
      await Promise.all(clients.map((client) => client.opened()))
      for (let step = 0; step < stepsPerRound; step += 1) {
        const client = clients[Math.floor(random() * clients.length)]
        if (random() < 0.5) change(client.doc, random)
        else client.disturb()
      }
      for (const client of clients) await client.settled()
      const where = `seed ${seed}, round ${round}`
      const [first, ...others] = clients.map((client) => client.doc)
      const isSeen = () => others.every((doc) => isDeepStrictEqual(rendered(doc), rendered(first)))
      await until(isSeen, where)
      const late = new Y.Doc()
      const state = await server.fetch(`/api/v1/rooms/${room}/document?format=yjs`)
      Y.applyUpdate(late, new Uint8Array(await state.arrayBuffer()))
      assert.deepEqual(rendered(late), rendered(first), where)
      const json = await (await server.fetch(`/api/v1/rooms/${room}/document?format=json`)).json()
      // A type that nobody has filled is none for the server.
      const empty = { text: '', list: [], map: {}, xml: '' }
      assert.deepEqual(withoutEmptied({ ...empty, ...json }), withoutEmptied(rendered(first)), where)
    }
  })
})
