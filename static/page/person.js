// Reads what a client says about its person in awareness. It comes unchecked from other clients: whatever does not fit is replaced.

import { colourOf, isColour } from './colours.js'
import { withoutTurns } from './names.js'

const NAME_CHARS_MAX = 40

/** @param {number} client the Yjs client  @returns {{ user: string, name: string, colour: string }} */
export function personOf (client, state) {
  // The server itself stands in for those without Yjs, and calls their user `id`.
  const { user, id, name, color } = state?.user ?? {}
  const key = [user, id].find((given) => typeof given === 'string') ?? String(client)
  const shown = typeof name === 'string' ? [...withoutTurns(name).trim()].slice(0, NAME_CHARS_MAX).join('') : ''
  return { user: key, name: shown || 'Someone', colour: isColour(color) ? color : colourOf(key) }
}
