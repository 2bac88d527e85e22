/** Largest frame that the server takes. */
export const FRAME_BYTES_MAX = 1024 * 1024
export const BATCH_MAX = 256
export const BINARY_BYTES_MAX = 64 * 1024
/** Requests in flight at a time: fewer than the refusals in a row after which the server disconnects. */
export const IN_FLIGHT_MAX = 64
/** Without a hint from the server: when a request that was refused for now is sent again. */
export const RETRY_MS = 1_000

export const CLOSED_BY_APP = 1000
/** What a WebSocket ends with that was never closed. */
export const LOST = 1006
export const UNAUTHORIZED = 4401
export const HEARTBEAT_LOST = 4501
export const TOKEN_EXPIRED = 4504
/** What a close code means, where the server gives no reason of its own. */
export const CLOSE_REASONS = new Map([
  [1001, 'the server restarts'], [1002, 'a frame was against the WebSocket protocol'], [LOST, 'the connection was lost'],
  [1007, 'a text was not UTF-8'], [1009, 'a message was too large'], [1011, 'the server had a fault'],
  [1013, 'the server asks to try later'],
  [UNAUTHORIZED, 'the token is not valid'], [4403, 'the token does not allow this'],
  [4404, 'the room was deleted'], [4413, 'something was too large'], [4422, 'a message could not be read'],
  [4500, 'this client read its messages too slowly'], [HEARTBEAT_LOST, 'the heartbeat was lost'],
  [4502, 'this client sent too much'], [TOKEN_EXPIRED, 'the token expired']
])
/** After these reconnecting is pointless; after all others the client reconnects. */
export const isFinal = (code: number): boolean => code >= 4400 && code < 4500

/** Namespaces of the protocol's own messages: no app event is named so. */
export const RESERVED = new Set(['auth', 'chat', 'direct', 'edit', 'presence', 'room', 'server', 'token', 'typing', 'user'])
/** What answers a request of the queue. */
export const ANSWERS = new Set(['saved', 'done', 'edit.rejected', 'error'])
