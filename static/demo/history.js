// The history panel: who edited the document, and when. Reads pages of the timeline, the newest first, and older ones on demand; asks for
// what came since while it is in sight.

import { colourOf } from './colours.js'
import { byTestId, h } from './element.js'
import { joinRows, rowsOf } from './history-rows.js'
import { shownName } from './names.js'
import { avatar } from './people.js'
import { dayName, fullTime, timeSpan } from './time.js'

const PAGE_ENTRIES = 200
/** A page may hold one person's typing only: one request for older history reads on until there is something to see. */
const PAGES_A_STEP_MAX = 5
const ROWS_A_STEP = 8
/** Older rows are let go past this, and read again on demand. */
const ROWS_MAX = 1_000
const REFRESH_DELAY_MS = 700
const REFRESH_MS = 30_000

/**
 * @param {object} options
 * @param {string} options.name the document's
 * @param {ReturnType<typeof import('./api.js').restOf>} options.rest
 * @param {(user: string) => string | null} options.colourOfPresent
 * @param {() => boolean} options.isInSight
 */
export function createHistory ({ name, rest, colourOfPresent, isInSight }) {
  const panel = byTestId('history')
  const list = panel.querySelector('.history-list')
  const note = panel.querySelector('.panel-note')
  const older = panel.querySelector('.more')
  /** @type {import('./history-rows.js').Row[] | null} null until first read */
  let rows = null
  /** The seq before which older entries stand; null: none do. */
  let before = null
  let isAsking = false
  let isStale = true
  let timer = 0
  /** What the last failure kept from being read. */
  let failed = null

  const draw = () => {
    const items = []
    let day = ''
    for (const entry of rows.toReversed()) {
      const of = dayName(entry.toMs, Date.now())
      if (of !== day) items.push(h('li', { class: 'history-day' }, day = of))
      items.push(row(entry))
    }
    list.replaceChildren(...items)
    older.hidden = before === null
    older.textContent = 'Show older'
    note.hidden = rows.length > 0
    note.textContent = 'Nothing yet. Every edit will stand here, with who made it and when.'
  }

  const row = ({ author, fromMs, toMs, edits }) => {
    const who = shownName(author)
    return h('li', { class: 'history-row', 'data-testid': 'history-row', 'data-author': author },
      avatar(who, colourOfPresent(author) ?? colourOf(author)),
      h('span', { class: 'history-who' }, who),
      h('time', { class: 'history-when', datetime: new Date(toMs).toISOString(), title: `${fullTime(fromMs)} – ${fullTime(toMs)}` }, timeSpan(fromMs, toMs)),
      h('span', { class: 'history-edits' }, edits === 1 ? '1 edit' : `${edits} edits`))
  }

  async function readOlder () {
    const seen = rows?.length ?? 0
    for (let page = 0; page < PAGES_A_STEP_MAX; page++) {
      const { entries, next } = await rest.edits(name, { before, limit: PAGE_ENTRIES })
      rows = joinRows(rowsOf(entries), rows ?? [])
      before = next
      if (next === null || rows.length - seen >= ROWS_A_STEP) break
    }
  }

  async function readNewer () {
    for (let page = 0; page < PAGES_A_STEP_MAX; page++) {
      const { entries, next } = await rest.edits(name, { after: rows.at(-1)?.toSeq ?? 0, limit: PAGE_ENTRIES })
      rows = joinRows(rows, rowsOf(entries))
      if (next === null) break
      isStale = page === PAGES_A_STEP_MAX - 1
    }
    if (rows.length > ROWS_MAX) {
      rows = rows.slice(-ROWS_MAX)
      before = rows[0].fromSeq
    }
  }

  /** One request at a time: pages that overlap would count edits twice. */
  async function step (read) {
    if (isAsking) return
    isAsking = true
    older.disabled = true
    try {
      await read()
      failed = null
      draw()
      panel.dataset.state = 'shown'
    } catch (error) {
      failed = read
      panel.dataset.state = 'failed'
      note.hidden = older.hidden = false
      note.textContent = `The history could not be read: ${error.message}`
      older.textContent = 'Try again'
    } finally {
      isAsking = false
      older.disabled = false
      if (isStale) refreshSoon()
    }
  }

  const refresh = () => {
    timer = 0
    if (!isInSight() || document.hidden) return
    isStale = false
    return step(rows ? readNewer : readOlder)
  }

  /** Something may have been added. */
  function refreshSoon () {
    isStale = true
    timer ||= setTimeout(refresh, REFRESH_DELAY_MS)
  }

  older.addEventListener('click', () => step(failed ?? readOlder))
  document.addEventListener('visibilitychange', refreshSoon)
  setInterval(refreshSoon, REFRESH_MS)
  refresh()

  return { refreshSoon }
}
