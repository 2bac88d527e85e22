// Asks the server by REST. Knows its paths, what it answers, and where documents live; no DOM, no Yjs.

/** Every document of the demo is a room below this prefix. */
export const ROOM_PREFIX = 'demo/'

const TIMEOUT_MS = 10_000

/** The server said no, or could not be asked (`status` 0). */
export class ApiError extends Error {
  constructor (status, code, message) {
    super(message)
    this.status = status
    this.code = code
  }
}

async function ask (path, options) {
  let response
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) })
  } catch {
    throw new ApiError(0, 'unreachable', 'You are offline, or the server does not answer.')
  }
  const body = await response.json().catch(() => ({}))
  if (!response.ok) {
    throw new ApiError(response.status, body.error?.code ?? 'unknown', body.error?.message ?? `The server answered ${response.status}.`)
  }
  return body
}

/** @param {'read' | 'write'} [access]  @returns {Promise<{token: string, user: string, name: string, expiresAt: string}>} */
export const requestToken = (name, token, access) => ask('/demo/token', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ name, token, access })
})

/** REST on behalf of one guest. @param {() => string} currentToken */
export function restOf (currentToken) {
  const get = (path, query) => {
    const given = Object.entries(query).filter(([, value]) => value != null)
    return ask(`${path}?${new URLSearchParams(given)}`, { headers: { authorization: `Bearer ${currentToken()}` } })
  }
  return {
    /** A page of documents by name. @returns {Promise<{documents: {name: string, updatedAt: string}[], next: string | null}>} */
    async documents (after, limit) {
      const { rooms, next } = await get('/api/v1/rooms', { prefix: ROOM_PREFIX, after, limit })
      return { documents: rooms.map(({ room, updatedAt }) => ({ name: room.slice(ROOM_PREFIX.length), updatedAt })), next }
    }
  }
}
