// Comments on the text: threads in the side panel, marked where they are. Loaded after the page, so what it needs of the editor's libraries
// is handed in: a second copy of them would not know the first one's documents.

import { anchorOf, finderOf, watchComments } from '../client/src/comments.ts'
import { h, icon } from '../page/element.js'
import { shownName } from '../page/names.js'
import { timeSpan } from '../page/time.js'

const HIGHLIGHT = 'comments'
const TEXT_MAX = 2_000
const QUOTE_MAX = 200
/** Between two looks at where the threads are, while somebody types. */
const LOOK_MS = 150

/**
 * @param {object} options
 * @param {import('@tiptap/core').Editor} options.editor
 * @param {import('yjs').Doc} options.doc
 * @param {import('/tutti.js').Room} options.room in which they are said
 * @param {object} options.yjs what anchors need of Yjs
 * @param {object} options.binding `absolutePositionToRelativePosition`, `relativePositionToAbsolutePosition`, `ySyncPluginKey`
 */
export function createComments ({ editor, doc, room, yjs, binding }) {
  const comments = watchComments(room)
  const root = doc.getXmlFragment('default')
  const rows = new Map()
  let ranges = new Map()
  let showsResolved = false
  let timer = 0

  const count = h('span', { class: 'count' })
  const quote = h('blockquote', { class: 'comment-quote', 'data-testid': 'comment-quote' })
  const field = h('textarea', { rows: '2', dir: 'auto', maxlength: String(TEXT_MAX), 'aria-label': 'Comment on the selected text', placeholder: 'Comment on the selected text', 'data-testid': 'comment-field' })
  const form = h('form', { class: 'comment-form', hidden: true }, quote, field, h('button', { type: 'submit', class: 'button primary', 'data-testid': 'add-comment' }, 'Comment'))
  const note = h('p', { class: 'panel-note', role: 'status' })
  const list = h('ol', { class: 'comment-list', 'data-testid': 'comments' })
  const toggle = h('button', { type: 'button', class: 'button quiet', hidden: true, onclick: () => { showsResolved = !showsResolved; draw() } })
  const panel = h('section', { class: 'comments', 'aria-labelledby': 'comments-heading' },
    h('div', { class: 'panel-head' }, h('h2', { id: 'comments-heading' }, 'Comments ', count)),
    h('div', { class: 'comments-scroll', tabindex: '0', role: 'group', 'aria-labelledby': 'comments-heading' }, form, note, list, toggle))
  document.querySelector('.conversation').before(panel)

  /** What the selection was when the field was last without focus: writing a comment does not lose it. */
  let selected = null
  const mapping = () => binding.ySyncPluginKey.getState(editor.state)?.binding?.mapping

  const onSelection = () => {
    if (panel.contains(document.activeElement)) return
    const { from, to } = editor.state.selection
    const text = editor.state.doc.textBetween(from, to, '\n', '\uFFFC').trim()
    selected = editor.isEditable && text !== '' && mapping() ? { from, to, text } : null
    form.hidden = !selected
    quote.textContent = selected?.text.slice(0, QUOTE_MAX) ?? ''
    drawNote()
  }

  /** From the editor's count to a place in a shared text. */
  const placeAt = (position) => {
    const relative = binding.absolutePositionToRelativePosition(position, root, mapping())
    const { type, index } = yjs.createAbsolutePositionFromRelativePosition(relative, doc)
    return { type, index }
  }
  const positionAt = ({ type, index }, association) =>
    binding.relativePositionToAbsolutePosition(doc, root, yjs.createRelativePositionFromTypeIndex(type, index, association), mapping())

  const failed = (error) => { note.textContent = `Not commented: ${error.message}` }

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const text = field.value.trim()
    if (!text || !selected) return
    const anchor = anchorOf(yjs, { from: placeAt(selected.from), to: placeAt(selected.to) })
    comments.create({ text, quote: selected.text.slice(0, QUOTE_MAX), anchor }).catch(failed)
    field.value = ''
    form.hidden = true
    editor.commands.focus()
  })

  /** Where a place is in the editor; null if it is nowhere. */
  const rangeOf = (place) => {
    const from = place && positionAt(place.from, 0)
    const to = place && positionAt(place.to, -1)
    return from != null && to != null && from < to ? { from, to } : null
  }

  const look = () => {
    timer = 0
    if (!mapping()) return
    const find = finderOf(yjs, doc, root)
    ranges = new Map([...comments.threads.values()].filter(({ resolved }) => !resolved).map((thread) => [thread.seq, rangeOf(find(thread))]))
    mark()
    for (const [seq, row] of rows) row.setGone(!comments.threads.get(seq).resolved && ranges.get(seq) === null)
  }
  const lookSoon = () => { timer ||= setTimeout(look, LOOK_MS) }

  /** Marks them without touching the text's elements, where the browser can. */
  const mark = () => {
    if (!globalThis.CSS?.highlights) return
    const marks = [...ranges.values()].filter(Boolean).map(({ from, to }) => {
      const [start, end] = [editor.view.domAtPos(from), editor.view.domAtPos(to)]
      const range = document.createRange()
      range.setStart(start.node, start.offset)
      range.setEnd(end.node, end.offset)
      return range
    })
    CSS.highlights.set(HIGHLIGHT, new Highlight(...marks))
  }

  const reveal = (seq) => {
    const range = ranges.get(seq)
    if (!range) return
    editor.chain().focus().setTextSelection(range).scrollIntoView().run()
  }

  function rowOf (seq) {
    const known = rows.get(seq)
    if (known) return known
    const gone = h('p', { class: 'comment-gone' }, 'Its text is gone.')
    const quoted = h('button', { type: 'button', class: 'comment-quote', onclick: () => reveal(seq) })
    const said = h('div', {})
    const reply = h('input', { type: 'text', class: 'comment-reply', dir: 'auto', maxlength: String(TEXT_MAX), 'aria-label': 'Reply', placeholder: 'Reply' })
    const resolve = h('button', { type: 'button', class: 'icon-button', onclick: () => comments.resolve(seq, !comments.threads.get(seq).resolved).catch(failed) }, icon('check'))
    const answer = h('form', {
      class: 'comment-answer',
      onsubmit: (event) => {
        event.preventDefault()
        const text = reply.value.trim()
        if (text) comments.reply(seq, text).catch(failed)
        reply.value = ''
      }
    }, reply, resolve)
    const element = h('li', { class: 'comment-thread', 'data-seq': String(seq) }, quoted, gone, said, answer)
    const row = {
      element,
      setGone (isGone) {
        gone.hidden = !isGone
        quoted.disabled = isGone
      },
      draw (thread) {
        quoted.textContent = thread.quote ?? ''
        quoted.hidden = !thread.quote
        const all = [thread, ...thread.replies]
        said.replaceChildren(...all.map(({ user, name, at, text, erased }) => h('p', { class: 'comment-text', dir: 'auto' },
          h('b', {}, name === user ? shownName(user) : name), ' ', h('time', { datetime: at }, timeSpan(Date.parse(at), Date.parse(at))), h('span', {}, erased ? 'This was erased.' : text))),
        thread.more ? h('p', {}, `${thread.more} more`) : '')
        element.classList.toggle('is-resolved', Boolean(thread.resolved))
        answer.hidden = !editor.isEditable
        const label = thread.resolved ? 'Open again' : 'Resolve'
        resolve.setAttribute('aria-label', label)
        resolve.title = label
      }
    }
    rows.set(seq, row)
    return row
  }

  const drawNote = () => {
    if (comments.isLoading) note.textContent = 'Loading…'
    else if (form.hidden && comments.threads.size === 0) note.textContent = editor.isEditable ? 'Select text to comment on it.' : 'No comments.'
    else note.textContent = ''
  }

  const draw = () => {
    const all = [...comments.threads.values()]
    const resolved = all.filter((thread) => thread.resolved)
    const shown = showsResolved ? all : all.filter((thread) => !thread.resolved)
    const elements = shown.map((thread) => {
      const row = rowOf(thread.seq)
      row.draw(thread)
      return row.element
    })
    // What stays where it is keeps what is being typed in it.
    if (elements.length !== list.children.length || elements.some((element, index) => element !== list.children[index])) list.replaceChildren(...elements)
    count.textContent = all.length > resolved.length ? String(all.length - resolved.length) : ''
    toggle.hidden = resolved.length === 0
    toggle.textContent = showsResolved ? 'Hide resolved' : `Show ${resolved.length} resolved`
    drawNote()
    look()
  }

  const stops = [
    comments.on('change', draw),
    comments.on('error', (error) => { note.textContent = `Comments could not be loaded: ${error.message}` })
  ]
  editor.on('selectionUpdate', onSelection)
  editor.on('transaction', lookSoon)
  editor.on('update', onSelection)
  draw()

  return {
    remove () {
      for (const stop of stops) stop()
      clearTimeout(timer)
      editor.off('selectionUpdate', onSelection)
      editor.off('transaction', lookSoon)
      editor.off('update', onSelection)
      comments.stop()
      globalThis.CSS?.highlights?.delete(HIGHLIGHT)
      panel.remove()
    }
  }
}
