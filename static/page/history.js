// The history of the document: offered to who may look back, and loaded when it is asked for.

import { colourOf } from './colours.js'
import { byTestId } from './element.js'
import { shownName } from './names.js'
import { toast } from './toast.js'

/** @param {{ root: string, colourOfPresent: (user: string) => string | null }} options `root`: the document's root type */
export function createHistory ({ root, colourOfPresent }) {
  const button = byTestId('history-open')
  let room = null

  const personOf = (user) => ({ name: shownName(user), colour: colourOfPresent(user) ?? colourOf(user) })

  button.addEventListener('click', async () => {
    try {
      const { openHistory } = await import('/tutti-history.js')
      openHistory({ room, root, personOf, onRestored: () => toast('Restored. What was there before is in the history.') })
    } catch {
      toast('The history cannot be loaded now.')
    }
  })

  return {
    /** Shows the history of a room from now on. */
    follow (talk) {
      room = talk.room
      // Who may only read does not see what the document was.
      const show = () => { button.hidden = room.access !== 'write' && room.access !== 'admin' }
      room.on('joined', show)
      room.on('access', show)
    }
  }
}
