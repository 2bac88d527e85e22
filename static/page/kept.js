// The text that this browser keeps, so that what was typed offline outlives a closed tab: y-indexeddb, where the browser allows it.

import { IndexeddbPersistence } from 'y-indexeddb'

/** A browser that is slow to open its database must not keep the page from opening. */
const LOAD_TIMEOUT_MS = 2_000

/**
 * Loads what is kept of a room's document and keeps it from now on.
 * @returns {Promise<boolean>} whether it does
 */
export async function keepText (room, doc) {
  try {
    const kept = new IndexeddbPersistence(`tutti:${room}`, doc)
    // A browser that forbids its database says so in the end, or never answers.
    kept._db.catch(() => {})
    return await Promise.race([
      kept.whenSynced.then(() => true),
      kept._db.then(() => new Promise(() => {}), () => false),
      new Promise((resolve) => setTimeout(resolve, LOAD_TIMEOUT_MS, false))
    ])
  } catch {
    return false
  }
}
