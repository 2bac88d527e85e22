// The drawer that shows how the page works: the frames of this room as they pass, its head, and the lines of code to copy.

import { copy } from './clipboard.js'
import { byTestId, h } from './element.js'
import { toast } from './toast.js'

const ROWS_MAX = 200
const TEXT_MAX = 1_000
const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** @param {{ code: string }} options `code`: what makes the page, cut from an example */
export function createWorks ({ code }) {
  const drawer = document.getElementById('works')
  const button = byTestId('works')
  const body = byTestId('frames')
  const scroll = drawer.querySelector('.works-frames')
  const seq = byTestId('works-seq')
  /** What has passed while the drawer was closed. */
  let waiting = []
  byTestId('code').textContent = code

  /** What a JSON frame holds, shortly: its types, and the seqs of those that have one. */
  const brief = (text) => {
    try {
      return [JSON.parse(text)].flat().map(({ type, seq }) => seq === undefined ? type : `${type} #${seq}`).join(', ')
    } catch {
      return text
    }
  }

  const rowOf = ({ at, endpoint, direction, text, bytes }) => h('tr', { class: `is-${direction}` },
    h('td', {}, CLOCK.format(at)),
    h('td', {}, h('span', { 'aria-hidden': 'true' }, direction === 'sent' ? '↑ ' : '↓ '), h('span', { class: 'visually-hidden' }, direction), endpoint),
    h('td', { title: text.slice(0, TEXT_MAX) }, brief(text)),
    h('td', {}, String(bytes)))

  const draw = () => {
    const isAtEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40
    body.append(...waiting.map(rowOf))
    waiting = []
    while (body.childElementCount > ROWS_MAX) body.firstElementChild.remove()
    if (isAtEnd) scroll.scrollTop = scroll.scrollHeight
  }
  const setOpen = (isOpen) => {
    drawer.hidden = !isOpen
    button.setAttribute('aria-expanded', String(isOpen))
    if (isOpen) {
      draw()
      scroll.scrollTop = scroll.scrollHeight
    } else button.focus()
  }
  button.addEventListener('click', () => setOpen(drawer.hidden))
  drawer.querySelector('.works-close').addEventListener('click', () => setOpen(false))
  drawer.addEventListener('keydown', ({ key }) => { if (key === 'Escape') setOpen(false) })
  byTestId('copy-code').addEventListener('click', async () => { if (await copy(code)) toast('Code copied.') })

  const add = (frame) => {
    waiting.push({ at: Date.now(), ...frame })
    if (waiting.length > ROWS_MAX) waiting.shift()
    if (!drawer.hidden && waiting.length === 1) requestAnimationFrame(draw)
  }
  return {
    /** A frame of the document's connection. @param {{ endpoint: string, direction: 'sent' | 'received', text: string, bytes: number }} frame */
    add,
    /** Shows the frames of the JSON connection, and the room's head. */
    follow ({ tutti, room }) {
      tutti.on('frame', ({ direction, text, bytes }) => add({ endpoint: '/ws', direction, text, bytes }))
      const showSeq = () => { seq.textContent = room.seq === null ? '' : `at seq ${room.seq}` }
      for (const type of ['joined', 'message', 'edit', 'event']) room.on(type, showSeq)
    }
  }
}
