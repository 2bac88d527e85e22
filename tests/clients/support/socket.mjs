// A WebSocket that remembers what happened to it, for providers and for frames sent by hand.

import { WebSocket } from 'ws'
import { until } from './until.mjs'

const framesKept = 200

export class RecordingSocket extends WebSocket {
  /** The first frames that came, as bytes (a text frame as its string). */
  received = []
  receivedFrames = 0
  receivedBytes = 0
  /** `{ code, reason }` once it is closed. */
  closed = null

  constructor(url, protocols, options) {
    super(url, protocols, { handshakeTimeout: 60_000, ...options })
    this.on('message', (data, isBinary) => {
      const frame = isBinary ? new Uint8Array(data) : data.toString()
      this.receivedFrames += 1
      this.receivedBytes += frame.length
      if (this.received.length < framesKept) this.received.push(frame)
      this.emit('frame', frame)
    })
    this.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }))
    // The close code says what went wrong; without a listener a failed connection would end the process.
    this.on('error', () => {})
  }

  async opened() {
    await until(() => this.readyState !== this.CONNECTING, 'the socket opens')
    if (this.readyState !== this.OPEN) throw new Error(`the socket was refused: ${JSON.stringify(this.closed)}`)
    return this
  }

  async ended(options) {
    return until(() => this.closed, 'the socket is closed', options)
  }
}

/** A socket to a room without a provider around it. `as`: a token, or null for none. */
export function openSocket(server, room, { as = server.token(), query = '' } = {}) {
  const protocols = as === null ? ['tutti.v1'] : ['tutti.v1', `auth.${as}`]
  const socket = new RecordingSocket(`${server.yjsUrl}/${room}${query}`, protocols)
  socket.binaryType = 'arraybuffer'
  return socket
}
