// The conversation panel: the timeline with the messages that wait to be in it, kept at its end while one reads there, and what is new
// since one looked last.

import { createComposer } from './composer.js'
import { byTestId, h } from './element.js'
import { shownName } from './names.js'
import { dayName } from './time.js'
import { isContinued } from './timeline-rows.js'
import { dayElement, keyOf, ownMessage, rowElement } from './timeline-view.js'

/** This near to the end counts as there. */
const END_PX = 40
const EMPTY = 'Say hello. Messages and edits appear here together, in the order they were saved.'

/**
 * @param {object} options
 * @param {import('./timeline.js').Timeline} options.timeline
 * @param {import('./outbox.js').Outbox} options.outbox
 * @param {import('./guest.js').Guest} options.guest
 * @param {(user: string) => string | null} options.colourOfPresent
 * @param {() => boolean} options.isInSight whether the panel is
 */
export function createConversation ({ timeline, outbox, guest, colourOfPresent, isInSight }) {
  const panel = byTestId('conversation')
  const scroll = panel.querySelector('.timeline')
  const list = panel.querySelector('.timeline-list')
  const note = panel.querySelector('.panel-note')
  const older = panel.querySelector('.more')
  const newer = byTestId('newer')
  const badge = byTestId('unread')
  const heard = document.getElementById('heard')
  let elements = new Map()
  let unread = 0
  let isAtEnd = true
  let firstDrawn = Infinity
  let frame = 0
  let title = document.title

  const draw = () => {
    frame = 0
    const drawn = new Map()
    /** The element of `key`: the one drawn before, if there was one. */
    const put = (key, make) => drawn.set(key, elements.get(key) ?? make())
    const look = { own: guest.user, colourOfPresent }
    let day = ''
    let before
    for (const row of timeline.rows) {
      const of = dayName(row.fromMs, Date.now())
      if (of !== day) put(`day ${day = of}`, () => dayElement(of))
      const continued = isContinued(row, before)
      put(keyOf(row, look, continued), () => rowElement(row, look, continued))
      before = row
    }
    for (const message of outbox.messages) {
      const { id, ms, state } = message
      const row = { kind: 'message', users: [guest.user], fromMs: ms, toMs: ms }
      const continued = isContinued(row, before)
      const actions = { onRetry: () => outbox.retry(id), onDrop: () => outbox.drop(id) }
      put(`unseen ${id} ${state} ${continued}`, () => ownMessage({ ...message, isContinued: continued }, actions))
      before = row
    }
    const fromEnd = scroll.scrollHeight - scroll.scrollTop
    const first = timeline.rows[0]?.fromSeq ?? Infinity
    elements = drawn
    lay(list, drawn.values())
    drawState(drawn.size === 0)
    if (isAtEnd) scroll.scrollTop = scroll.scrollHeight
    // Older rows came in above: what one reads stays where it is.
    else if (first < firstDrawn) scroll.scrollTop = scroll.scrollHeight - fromEnd
    firstDrawn = first
  }

  const drawState = (isEmpty) => {
    panel.dataset.state = timeline.state
    older.hidden = !timeline.hasOlder || timeline.state === 'loading'
    older.disabled = timeline.isAsking
    older.textContent = timeline.state === 'failed' ? 'Try again' : 'Show older'
    note.hidden = timeline.state === 'loading' || (timeline.state === 'shown' && !isEmpty)
    note.textContent = timeline.state === 'failed' ? `Earlier entries could not be loaded: ${timeline.failure}` : EMPTY
  }

  const drawSoon = () => {
    frame ||= requestAnimationFrame(() => {
      draw()
      look()
    })
  }

  const drawUnread = () => {
    badge.hidden = unread === 0
    badge.replaceChildren(String(Math.min(unread, 99)), h('span', { class: 'visually-hidden' }, unread === 1 ? ' unread message' : ' unread messages'))
    newer.hidden = unread === 0 || !isInSight()
    document.title = unread > 0 ? `(${unread}) ${title}` : title
  }

  /** Whatever is new is in view. */
  const look = () => {
    if (unread === 0 || document.hidden || !isInSight() || !isAtEnd) return drawUnread()
    unread = 0
    drawUnread()
  }

  const toEnd = () => {
    isAtEnd = true
    scroll.scrollTop = scroll.scrollHeight
    look()
  }

  timeline.addEventListener('change', () => {
    outbox.seen(new Set(timeline.rows.map(({ id }) => id)))
    drawSoon()
  })
  timeline.addEventListener('message', ({ detail: { user, text } }) => {
    if (user === guest.user) return
    unread++
    // In sight, the next frame tells: someone may just have scrolled away, and the event of that comes with it.
    if (document.hidden || !isInSight()) drawUnread()
    else drawSoon()
    if (isInSight()) heard.textContent = `${shownName(user)}: ${text}`
  })
  outbox.addEventListener('change', drawSoon)
  older.addEventListener('click', () => timeline.readOlder())
  newer.addEventListener('click', toEnd)
  scroll.addEventListener('scroll', () => {
    isAtEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < END_PX
    look()
  })
  // A keyboard that comes up, or a panel that opens, leaves less to see: the end stays the end.
  new ResizeObserver(() => { if (isAtEnd) toEnd() }).observe(scroll)
  document.addEventListener('visibilitychange', look)

  const composer = createComposer({
    onWrite: (text) => {
      outbox.write(text)
      toEnd()
    }
  })

  return {
    /** What the window is called when nothing is unread. */
    setTitle (newTitle) {
      title = newTitle
      drawUnread()
    },
    /** The guest talks through this connection from now on. */
    follow ({ tutti, room }) {
      timeline.follow(room)
      outbox.follow(room)
      composer.follow(tutti, room)
      drawSoon()
    },
    /** The panel is in sight, or no longer. */
    noticeSight: look,
    /** Someone's colour may have changed. */
    redraw: drawSoon
  }
}

/** Makes `elements` the list's children, and leaves alone those that stand where they should. */
function lay (list, elements) {
  let at = list.firstChild
  for (const element of elements) {
    if (element === at) at = at.nextSibling
    else list.insertBefore(element, at)
  }
  while (at) {
    const next = at.nextSibling
    at.remove()
    at = next
  }
}
