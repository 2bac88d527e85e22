// A person at an editor: an unmodified y-websocket provider, its document, and every socket that it opened.

import * as Y from 'yjs'
import { WebsocketProvider as Provider310 } from 'y-websocket'
import { WebsocketProvider as Provider300 } from 'y-websocket-3-0'
import { barrier, isDenial, isSame } from './frames.mjs'
import { RecordingSocket } from './socket.mjs'
import { atOnce, until } from './until.mjs'

/** The releases of the provider that must work; each test runs with both. */
export const versions = [
  { name: 'y-websocket 3.1.0', Provider: Provider310, stopsWhenDenied: true },
  { name: 'y-websocket 3.0.0', Provider: Provider300, stopsWhenDenied: false },
]

// Each provider listens to the end of the process; some tests have a dozen of them.
process.setMaxListeners(100)

export class Client {
  /** Every socket that the provider opened, the oldest first. */
  sockets = []
  denials = 0

  /** `as`: a token, or null for none; `by`: how it travels, subprotocol or query; `socketOptions`: for ws. */
  constructor(server, { version, room, as = server.token(), by = 'subprotocol', doc = new Y.Doc(), socketOptions = {} }) {
    const { sockets } = this
    const onFrame = (frame) => (this.denials += isDenial(frame) ? 1 : 0)
    class Socket extends RecordingSocket {
      constructor(url, protocols) {
        super(url, protocols, socketOptions)
        this.on('frame', onFrame)
        sockets.push(this)
      }
    }
    this.doc = doc
    this.text = doc.getText('content')
    this.provider = new version.Provider(server.yjsUrl, room, doc, {
      WebSocketPolyfill: Socket,
      // Providers of one process would otherwise meet without the server.
      disableBc: true,
      protocols: as !== null && by === 'subprotocol' ? ['tutti.v1', `auth.${as}`] : [],
      params: as !== null && by === 'query' ? { token: as } : {},
    })
  }

  get awareness() {
    return this.provider.awareness
  }

  get socket() {
    return this.sockets.at(-1)
  }

  async synced(options) {
    await until(() => this.provider.synced, 'the provider is synced', { state: () => this.closings(), ...options })
    return this
  }

  closings() {
    return this.sockets.map((socket) => socket.closed)
  }

  content() {
    return this.text.toString()
  }

  type(text, at = this.text.length) {
    this.text.insert(at, text)
    return this
  }

  async reads(content, options) {
    await until(() => this.content() === content, `a client reads ${excerpt(content)}`, {
      state: () => excerpt(this.content()),
      ...options,
    })
  }

  /** Waits until all that this client sent is committed. */
  async acknowledged(options) {
    const socket = this.provider.ws
    let hasReturned = false
    const look = (frame) => (hasReturned ||= isSame(frame, barrier))
    socket.on('frame', look)
    socket.send(barrier)
    try {
      await until(() => hasReturned || socket.closed, 'the client is acknowledged', options)
      if (!hasReturned) throw new Error(`closed before the acknowledgement: ${JSON.stringify(socket.closed)}`)
    } finally {
      socket.off('frame', look)
    }
  }

  announce(name) {
    this.awareness.setLocalStateField('user', { name })
    return this
  }

  /** The names that this client sees, its own too, in order. */
  names() {
    return [...this.awareness.getStates().values()].map((state) => state.user?.name).filter(Boolean).sort()
  }

  async seesNames(names, options) {
    const wanted = JSON.stringify([...names].sort())
    await until(() => JSON.stringify(this.names()) === wanted, `a client sees ${wanted}`, {
      ...atOnce,
      state: () => this.names(),
      ...options,
    })
  }

  goOffline() {
    this.provider.disconnect()
  }

  goOnline() {
    this.provider.connect()
  }

  close() {
    this.provider.destroy()
    this.doc.destroy()
  }
}

const excerpt = (text) => JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}… (${text.length})` : text)

/** A synced client that is closed at the end of the test `t`. */
export async function join(t, server, options) {
  return open(t, server, options).synced()
}

/** A client that need not get in, closed at the end of the test `t`. */
export function open(t, server, options) {
  const client = new Client(server, options)
  t.after(() => client.close())
  return client
}

let rooms = 0

/** A room that no other test of this process uses. */
export const newRoom = () => `docs/room-${(rooms += 1)}`

/** Waits until all `clients` have the same text, which `isDone` accepts. */
export async function converge(clients, isDone) {
  const contents = () => clients.map((client) => client.content())
  await until(() => new Set(contents()).size === 1 && isDone(contents()[0]), 'all clients converge', {
    state: () => contents().map(excerpt),
  })
  return clients[0].content()
}
