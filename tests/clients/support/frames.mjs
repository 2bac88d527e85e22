// The frames of the y-websocket protocol that tests look for or send by hand.

import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'

const sync = 0
const awareness = 1
const auth = 2
const step1 = 0
const step2 = 1
const update = 2

/** An update that changes nothing. It comes back when all that was sent before it is committed. */
export const barrier = Uint8Array.of(sync, update, 2, 0, 0)

/** No awareness states: what the server sends to keep a lone client connected. */
export const keepAlive = Uint8Array.of(1, 1, 0)

export const isSame = (a, b) => Buffer.compare(a, b) === 0

/** Asks for all awareness states; the answer comes behind what was answered at once before. */
export const queryAwareness = Uint8Array.of(3)

export const isStep1 = (frame) => frame[0] === sync && frame[1] === step1

export const isAwareness = (frame) => frame[0] === awareness

export const isStep2 = (frame) => frame[0] === sync && frame[1] === step2

export const isDenial = (frame) => frame[0] === auth && frame[1] === 0

export function denialReason(frame) {
  const decoder = decoding.createDecoder(frame)
  decoding.readVarUint(decoder)
  decoding.readVarUint(decoder)
  return decoding.readVarString(decoder)
}

/** An awareness frame with one state. */
export function awarenessFrame(client, clock, state) {
  const entries = encoding.createEncoder()
  for (const number of [1, client, clock]) encoding.writeVarUint(entries, number)
  encoding.writeVarString(entries, JSON.stringify(state))
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, awareness)
  encoding.writeVarUint8Array(encoder, encoding.toUint8Array(entries))
  return encoding.toUint8Array(encoder)
}

/** A sync Update frame around any bytes, also ones that are no update. */
export function updateFrame(bytes) {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, sync)
  encoding.writeVarUint(encoder, update)
  encoding.writeVarUint8Array(encoder, bytes)
  return encoding.toUint8Array(encoder)
}
