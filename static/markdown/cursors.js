// The others' cursors and selections in the text, and this window's own cursor for the others. Reads and writes the awareness field
// `cursor` as y-codemirror.next does, so that its users and ours see each other; unlike its plugin this one shows a changed name, and
// trusts no colour from the network.

import { Annotation, RangeSet } from '@codemirror/state'
import { Decoration, EditorView, ViewPlugin, WidgetType } from '@codemirror/view'
import * as Y from 'yjs'
import { lightOf } from '../page/colours.js'
import { personOf } from '../page/person.js'

const awarenessChanged = Annotation.define()

class Caret extends WidgetType {
  /** @param {number} movedAt a caret that moved is drawn anew, and shows its name for a while */
  constructor (name, colour, movedAt) {
    super()
    Object.assign(this, { name, colour, movedAt })
  }

  eq (other) { return this.name === other.name && this.colour === other.colour && this.movedAt === other.movedAt }

  toDOM () {
    const caret = document.createElement('span')
    caret.className = 'cm-ySelectionCaret'
    caret.style.setProperty('--who', this.colour)
    const name = document.createElement('span')
    name.className = 'cm-ySelectionInfo'
    name.textContent = this.name
    caret.append(name)
    return caret
  }

  ignoreEvent () { return true }
}

/** Where a person's cursor stands in the text. @returns {{ anchor: number, head: number } | null} null: nowhere, or not understood */
export function cursorIn (text, cursor) {
  try {
    const [anchor, head] = [cursor.anchor, cursor.head].map((position) =>
      Y.createAbsolutePositionFromRelativePosition(Y.createRelativePositionFromJSON(position), text.doc))
    return anchor?.type === text && head?.type === text ? { anchor: anchor.index, head: head.index } : null
  } catch {
    return null
  }
}

const isSame = (json, position) =>
  json != null && Y.compareRelativePositions(Y.createRelativePositionFromJSON(json), position)

/** @param {Y.Text} text  @param {import('y-protocols/awareness').Awareness} awareness */
export const cursors = (text, awareness) => ViewPlugin.define((view) => {
  /** By awareness client: the cursor last seen, and when it came there. */
  const seen = new Map()

  const onChange = ({ added, updated, removed }) => {
    for (const client of removed) seen.delete(client)
    if ([...added, ...updated, ...removed].some((client) => client !== awareness.clientID)) {
      view.dispatch({ annotations: awarenessChanged.of(true) })
    }
  }
  awareness.on('change', onChange)

  const publish = (state) => {
    const own = awareness.getLocalState()
    if (!own) return
    const { anchor, head } = state.selection.main
    const cursor = { anchor: Y.createRelativePositionFromTypeIndex(text, anchor), head: Y.createRelativePositionFromTypeIndex(text, head) }
    if (isSame(own.cursor?.anchor, cursor.anchor) && isSame(own.cursor?.head, cursor.head)) return
    awareness.setLocalStateField('cursor', cursor)
  }

  const movedAt = (client, cursor) => {
    const written = JSON.stringify(cursor)
    if (seen.get(client)?.written !== written) seen.set(client, { written, at: performance.now() })
    return seen.get(client).at
  }

  const draw = (length) => {
    const ranges = []
    for (const [client, state] of awareness.getStates()) {
      if (client === awareness.clientID || !state?.cursor) continue
      const at = cursorIn(text, state.cursor)
      if (!at) continue
      const head = Math.min(at.head, length)
      const [from, to] = [Math.min(at.anchor, head), Math.min(Math.max(at.anchor, head), length)]
      const { name, colour } = personOf(client, state)
      if (from < to) {
        ranges.push(Decoration.mark({ class: 'cm-ySelection', attributes: { style: `background-color: ${lightOf(colour)}` } }).range(from, to))
      }
      ranges.push(Decoration.widget({ side: head > from ? -1 : 1, widget: new Caret(name, colour, movedAt(client, state.cursor)) }).range(head))
    }
    return RangeSet.of(ranges, true)
  }

  /** A name that would leave the text on the right opens to the left. */
  const fitNames = {
    key: 'names',
    read: ({ contentDOM, scrollDOM }) => {
      const edge = scrollDOM.getBoundingClientRect().right
      return [...contentDOM.querySelectorAll('.cm-ySelectionCaret')]
        .map((caret) => [caret, caret.getBoundingClientRect().left + caret.firstChild.offsetWidth > edge])
    },
    write: (carets) => { for (const [caret, isOver] of carets) caret.classList.toggle('is-at-edge', isOver) }
  }

  return {
    decorations: draw(view.state.doc.length),
    update (update) {
      const { state, docChanged, selectionSet, focusChanged } = update
      if (update.view.hasFocus && (docChanged || selectionSet || focusChanged)) publish(state)
      const isHeard = update.transactions.some((transaction) => transaction.annotation(awarenessChanged))
      if (docChanged || isHeard) {
        this.decorations = draw(state.doc.length)
        view.requestMeasure(fitNames)
      }
    },
    destroy () { awareness.off('change', onChange) }
  }
}, { decorations: (plugin) => plugin.decorations })

/** Brings a person's cursor into view. */
export function revealCursor (view, text, cursor) {
  const at = cursorIn(text, cursor)
  if (at) view.dispatch({ effects: EditorView.scrollIntoView(Math.min(at.head, view.state.doc.length), { y: 'center' }) })
}
