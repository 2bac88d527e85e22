// The menu over selected text: marks, and links to set, open and remove.

import { h, icon } from '../page/element.js'
import { MARKS, buttonsOf } from './tools.js'

const GAP_PX = 8
const SAFE = /^(https?:|mailto:)/i

export function createBubble (parent, editor) {
  const field = h('input', { type: 'url', class: 'bubble-field', placeholder: 'https://…', 'aria-label': 'Link address', hidden: true })
  const open = h('a', { class: 'icon-button tool', 'aria-label': 'Open the link', title: 'Open the link', target: '_blank', rel: 'noopener noreferrer', hidden: true }, icon('window'))
  const linkButton = h('button', {
    type: 'button',
    class: 'icon-button tool',
    'aria-label': 'Link',
    title: 'Link',
    onmousedown: (event) => event.preventDefault(),
    onclick: () => {
      if (editor.isActive('link')) return editor.chain().focus().extendMarkRange('link').unsetLink().run()
      field.hidden = false
      field.focus()
    }
  }, icon('link'))
  const bubble = h('div', { class: 'bubble-menu', role: 'toolbar', 'aria-label': 'Selected text', 'data-testid': 'bubble', hidden: true },
    ...buttonsOf(MARKS, editor), linkButton, open, field)
  parent.append(bubble)

  const set = () => {
    const typed = field.value.trim()
    const address = typed && !SAFE.test(typed) ? `https://${typed}` : typed
    field.value = ''
    field.hidden = true
    if (address) editor.chain().focus().extendMarkRange('link').setLink({ href: address }).run()
    else editor.commands.focus()
  }
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') {
      event.preventDefault()
      set()
    }
    if (event.key === 'Escape') {
      field.value = ''
      field.hidden = true
      editor.commands.focus()
    }
  })

  const place = () => {
    const { from, to, empty } = editor.state.selection
    const isShown = editor.isEditable && !empty && (editor.isFocused || !field.hidden || bubble.contains(document.activeElement)) && editor.state.doc.textBetween(from, to) !== ''
    bubble.hidden = !isShown
    if (!isShown) return
    const href = editor.getAttributes('link').href
    linkButton.setAttribute('aria-pressed', String(Boolean(href)))
    open.hidden = !href
    if (href) open.href = href
    const [start, end] = [editor.view.coordsAtPos(from), editor.view.coordsAtPos(to)]
    const box = parent.getBoundingClientRect()
    const isAbove = start.top - box.top > bubble.offsetHeight + GAP_PX
    const top = isAbove ? start.top - bubble.offsetHeight - GAP_PX : end.bottom + GAP_PX
    const left = Math.max(GAP_PX, Math.min((start.left + end.left) / 2 - bubble.offsetWidth / 2 - box.left, parent.clientWidth - bubble.offsetWidth - GAP_PX))
    bubble.style.translate = `${left}px ${top - box.top + parent.scrollTop}px`
  }
  // Leaving for the menu itself is no leaving.
  const later = () => setTimeout(place)
  bubble.addEventListener('focusout', () => setTimeout(() => {
    if (bubble.contains(document.activeElement)) return
    field.hidden = true
    place()
  }))
  editor.on('selectionUpdate', place)
  editor.on('transaction', place)
  editor.on('focus', place)
  editor.on('blur', later)
  return { remove: () => bubble.remove() }
}
