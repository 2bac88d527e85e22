// The client of Tutti's JSON protocol (`/ws`, subprotocol `tutti.v1`), and what helps with shared documents beside it. No dependencies.

export { connect, Tutti } from './tutti.js'
export { Room } from './room.js'
export { Past } from './past.js'
export { Presence } from './presence.js'
export { TuttiError } from './error.js'
export { describeSync, DocumentSync, watchHocuspocusProvider, watchWebsocketProvider, type SyncConnection, type SyncState } from './sync.js'
export { openDocument, type DocumentOptions, type SharedDocument, type YProvider } from './document.js'
export type * from './types.js'
