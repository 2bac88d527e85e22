// A shared document over y-websocket: it connects with a token, reconnects with a fresh one, and tells how it stands. The caller
// brings the provider's class, so that an app has one copy of Yjs, and this package needs none.

import { TOKEN_EXPIRED, UNAUTHORIZED, isFinal } from './limits.js'
import { watchWebsocketProvider, type DocumentSync } from './sync.js'
import { Timer } from './timer.js'
import type { Options, Token } from './types.js'

const RETRY_MS = 2_000

/** As much of y-websocket's provider as is named here. */
export interface YProvider {
  awareness: object
  destroy (): void
}

export interface DocumentOptions<Doc, Provider> {
  /** Of `/yjs`; a page may leave out the server: its own. */
  url?: string | URL
  room: string
  doc: Doc
  token: Options['token']
  /** The class of that name in y-websocket 3. */
  WebsocketProvider: new (url: string, room: string, doc: Doc, options: object) => Provider
  /** The document already holds edits that nobody has confirmed. */
  isDirty?: boolean
}

export interface SharedDocument<Doc, Provider> {
  doc: Doc
  provider: Provider
  sync: DocumentSync
  /** Disconnects. The document itself stays. */
  close (): void
}

interface Internals {
  on (type: string, listener: (event: { code: number } | null) => void): void
  protocols: string[]
  shouldConnect: boolean
  wsUnsuccessfulReconnects: number
  connect (): void
}

/** Opens a document. */
export function openDocument<Doc, Provider extends YProvider> (
  { url = '/yjs', room, doc, token, WebsocketProvider, isDirty = false }: DocumentOptions<Doc, Provider>
): SharedDocument<Doc, Provider> {
  const base = new URL(url, globalThis.location?.href)
  base.protocol = base.protocol.replace('http', 'ws')
  let hasTriedFreshToken = false
  let isClosed = false
  const retry = new Timer()

  /** A key changed on the server ends every token once; one who is still unknown with a fresh token is refused. */
  const isWorthAFreshToken = (code: number) =>
    code === TOKEN_EXPIRED || (code === UNAUTHORIZED && typeof token === 'function' && !hasTriedFreshToken)

  const provider = new WebsocketProvider(base.href, room, doc, {
    connect: false,
    // Windows of one browser would show each other what the server has not seen.
    disableBc: true,
    shouldReconnect: ({ code }: { code: number }) => isWorthAFreshToken(code) || !isFinal(code)
  })
  const inside = provider as unknown as Internals
  const sync = watchWebsocketProvider(provider, { isDirty })

  const connect = async () => {
    let given: Token
    try {
      given = typeof token === 'function' ? await token() : token
    } catch {
      return retry.set(connect, RETRY_MS)
    }
    if (isClosed) return
    if (!given) return sync.put({ connection: 'closed', reason: 'there is no token' })
    // The token travels as a subprotocol, never in a URL; the provider reads the list at each new connection.
    inside.protocols = ['tutti.v1', `auth.${given}`]
    inside.connect()
  }
  inside.on('connection-close', (event) => {
    if (!event || !isWorthAFreshToken(event.code)) return
    hasTriedFreshToken = event.code === UNAUTHORIZED
    inside.shouldConnect = false
    retry.set(connect, inside.wsUnsuccessfulReconnects > 0 ? RETRY_MS : 0)
  })
  sync.on('change', ({ connection }) => { if (connection === 'online') hasTriedFreshToken = false })
  const hurry = () => { if (inside.shouldConnect) inside.connect() }
  globalThis.addEventListener?.('online', hurry)
  connect()

  return {
    doc,
    provider,
    sync,
    close () {
      isClosed = true
      retry.clear()
      globalThis.removeEventListener?.('online', hurry)
      sync.stop()
      provider.destroy()
    }
  }
}
