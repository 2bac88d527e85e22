// A person at an editor with an unmodified Hocuspocus provider: its connection, its documents, and every socket that it opened.

import * as Y from 'yjs'
import { HocuspocusProvider as Provider48, HocuspocusProviderWebsocket as Websocket48 } from '@hocuspocus/provider'
import { HocuspocusProvider as Provider34, HocuspocusProviderWebsocket as Websocket34 } from 'hocuspocus-provider-3'
import { HocuspocusProvider as Provider215, HocuspocusProviderWebsocket as Websocket215 } from 'hocuspocus-provider-2'
import { RecordingSocket } from './socket.mjs'
import { atOnce, until } from './until.mjs'

/** The releases of the provider that must work; each test runs with all that can do what it is about. */
export const releases = [
  { name: 'Hocuspocus 4.8', Provider: Provider48, Websocket: Websocket48, renewsTokens: true, hasSessions: true },
  { name: 'Hocuspocus 3.4', Provider: Provider34, Websocket: Websocket34, renewsTokens: true, hasSessions: false },
  { name: 'Hocuspocus 2.15', Provider: Provider215, Websocket: Websocket215, renewsTokens: false, hasSessions: false },
]

/** One connection, for as many documents as are opened on it. */
export class Connection {
  /** Every socket that was opened, the oldest first. */
  sockets = []

  constructor(server, { release, connects = true }) {
    const { sockets } = this
    class Socket extends RecordingSocket {
      constructor(url) {
        super(url, [])
        sockets.push(this)
      }
    }
    this.release = release
    this.websocket = new release.Websocket({
      url: server.hocuspocusUrl,
      WebSocketPolyfill: Socket,
      autoConnect: connects,
      ...(connects ? {} : { connect: false }),
      // Reconnects are part of many tests.
      delay: 200,
      minDelay: 200,
    })
  }

  get socket() {
    return this.sockets.at(-1)
  }

  /** Until the provider has seen its end, it would not connect again. */
  async goOffline() {
    this.websocket.disconnect()
    await until(() => this.websocket.status === 'disconnected', 'the connection has ended')
  }

  goOnline() {
    this.websocket.connect()
  }

  close() {
    this.websocket.destroy()
    // A reconnect that 3.4 and 2.15 had planned before would go on for ever.
    this.websocket.connect = async () => {}
  }
}

/** One document on a connection. */
export class HocuspocusClient {
  /** What the server told this document, in order. */
  scopes = []
  denials = []
  stateless = []
  closes = []
  /** How often a token was asked for. */
  tokensAsked = 0
  /** Each value of the provider's count of what is not saved. */
  counts = []

  constructor(server, connection, { room, as = server.token(), doc = new Y.Doc(), ...options }) {
    this.connection = connection
    this.doc = doc
    this.text = doc.getText('content')
    this.room = room
    /** May be set to another token, or to a function. */
    this.as = as
    this.provider = new connection.release.Provider({
      name: room,
      document: doc,
      websocketProvider: connection.websocket,
      // Providers of one process would otherwise meet without the server.
      broadcast: false,
      token: async () => {
        this.tokensAsked += 1
        return typeof this.as === 'function' ? this.as() : this.as
      },
      onAuthenticated: () => this.scopes.push(this.provider?.authorizedScope),
      onAuthenticationFailed: ({ reason }) => this.denials.push(reason),
      onStateless: ({ payload }) => this.stateless.push(payload),
      onClose: ({ event }) => this.closes.push(event.reason),
      ...options,
    })
    this.provider.on('unsyncedChanges', (data) => this.counts.push(data.number ?? data))
    // 3.4 and 4.8 attach by themselves only with a connection of their own.
    this.provider.attach?.()
  }

  get awareness() {
    return this.provider.awareness
  }

  get isSaved() {
    return !this.provider.hasUnsyncedChanges
  }

  async synced(options) {
    await until(() => this.provider.isSynced, 'the provider is synced', { state: () => this.connection.sockets.map((socket) => socket.closed), ...options })
    return this
  }

  async saved(options) {
    await until(() => this.isSaved, 'the provider has nothing unsaved', { state: () => this.counts.slice(-10), ...options })
    return this
  }

  async denied() {
    await until(() => this.denials.length > 0, 'the provider is denied')
    return this
  }

  content() {
    return this.text.toString()
  }

  type(text, at = this.text.length) {
    this.text.insert(at, text)
    return this
  }

  async reads(content, options) {
    await until(() => this.content() === content, `a client reads ${content.slice(0, 200)}`, {
      state: () => this.content().slice(0, 200),
      ...options,
    })
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
    await until(() => JSON.stringify(this.names()) === wanted, `a client sees ${wanted}`, { ...atOnce, state: () => this.names(), ...options })
  }

  close() {
    this.provider.destroy()
    this.doc.destroy()
  }
}

/** A connection that is closed at the end of the test `t`. */
export function connect(t, server, options) {
  const connection = new Connection(server, options)
  t.after(() => connection.close())
  return connection
}

/** A document on a connection, a new one unless given, closed at the end of the test `t`. It need not get in. */
export function openDocument(t, server, { connection, release, ...options }) {
  const client = new HocuspocusClient(server, connection ?? connect(t, server, { release }), options)
  t.after(() => client.close())
  return client
}

/** As [`openDocument`], and synced. */
export async function joinDocument(t, server, options) {
  return openDocument(t, server, options).synced()
}
