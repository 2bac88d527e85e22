// Names the frames of the Yjs protocols for people, as far as their first bytes tell. Pure.

const SYNC = ['sync step 1', 'sync step 2', 'update']
const KINDS = { 0: 'sync', 1: 'awareness', 2: 'auth', 3: 'query awareness', 5: 'stateless', 7: 'close', 8: 'committed' }
/** The empty update, which comes back when everything before it is committed. */
const BARRIER = '0,2,2,0,0'

/** A frame of y-websocket. @param {Uint8Array} frame */
export function frameName (frame) {
  if (String(frame) === BARRIER) return 'barrier'
  return frame[0] === 0 ? SYNC[frame[1]] ?? 'sync' : KINDS[frame[0]] ?? `message ${frame[0]}`
}

/** A frame of Hocuspocus, in which the document's name stands first. */
export function hocuspocusFrameName (frame) {
  const nameAt = frame[0] < 128 ? 1 : 2
  const length = frame[0] < 128 ? frame[0] : (frame[0] & 127) | (frame[1] << 7)
  return frameName(frame.subarray(nameAt + length))
}
