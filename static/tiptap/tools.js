// The buttons above the text.

import { h, icon } from '../page/element.js'

export const MARKS = [
  { label: 'Bold', face: () => h('b', {}, 'B'), isOn: (editor) => editor.isActive('bold'), run: (chain) => chain.toggleBold() },
  { label: 'Italic', face: () => h('i', { class: 'tool-serif' }, 'I'), isOn: (editor) => editor.isActive('italic'), run: (chain) => chain.toggleItalic() },
  { label: 'Strikethrough', face: () => h('s', {}, 'S'), isOn: (editor) => editor.isActive('strike'), run: (chain) => chain.toggleStrike() },
  { label: 'Code', face: () => icon('code'), isOn: (editor) => editor.isActive('code'), run: (chain) => chain.toggleCode() }
]

const BLOCKS = [
  { label: 'Heading', face: () => h('span', {}, 'H'), isOn: (editor) => editor.isActive('heading'), run: (chain) => chain.toggleHeading({ level: 1 }) },
  { label: 'List', face: () => icon('list'), isOn: (editor) => editor.isActive('bulletList'), run: (chain) => chain.toggleBulletList() },
  { label: 'Numbered list', face: () => icon('numbers'), isOn: (editor) => editor.isActive('orderedList'), run: (chain) => chain.toggleOrderedList() },
  { label: 'Quote', face: () => icon('quote'), isOn: (editor) => editor.isActive('blockquote'), run: (chain) => chain.toggleBlockquote() }
]

/** Buttons for some tools, which show what holds where the cursor is. */
export function buttonsOf (tools, editor) {
  const buttons = tools.map(({ label, face, run }) => h('button', {
    type: 'button',
    class: 'icon-button tool',
    'aria-label': label,
    'aria-pressed': 'false',
    title: label,
    // The selection stays where it is.
    onmousedown: (event) => event.preventDefault(),
    onclick: () => run(editor.chain().focus()).run()
  }, face()))
  editor.on('transaction', () => {
    for (const [index, { isOn }] of tools.entries()) buttons[index].setAttribute('aria-pressed', String(isOn(editor)))
  })
  return buttons
}

export function createTools (parent, editor) {
  parent.replaceChildren(...buttonsOf(BLOCKS, editor), h('span', { class: 'tool-line', 'aria-hidden': 'true' }), ...buttonsOf(MARKS, editor))
  return {
    setShown: (isShown) => { parent.hidden = !isShown },
    remove: () => { parent.replaceChildren() }
  }
}
