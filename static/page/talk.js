// The JSON side of the document's room: one connection for the guest, on which messages, presence and the timeline travel. The text has
// its own, by Yjs; the server makes one room of both.

import { connect } from '/tutti.js'
import { ROOM_PREFIX } from './api.js'

/**
 * Enters the room as the guest is now.
 * @param {{ document: string, guest: import('./guest.js').Guest, since?: number | null }} options `since`: the last entry that is known
 */
export function openTalk ({ document, guest, since }) {
  const tutti = connect('/ws', { token: () => guest.freshToken() })
  // The page shows the state; what is refused is told by the message's own promise.
  tutti.on('error', (error) => console.info(`tutti: ${error.message}`))
  const room = tutti.room(ROOM_PREFIX + document, { edits: true, since: since ?? undefined })
  return { tutti, room, close: () => tutti.close() }
}
