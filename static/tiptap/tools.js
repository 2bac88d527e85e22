// The buttons above the text.

import { h } from '../demo/element.js'

const TOOLS = [
  { label: 'Bold', face: h('b', {}, 'B'), isOn: (editor) => editor.isActive('bold'), run: (chain) => chain.toggleBold() },
  { label: 'Italic', face: h('i', {}, 'I'), isOn: (editor) => editor.isActive('italic'), run: (chain) => chain.toggleItalic() },
  { label: 'Heading', face: h('span', { class: 'tool-serif' }, 'H'), isOn: (editor) => editor.isActive('heading'), run: (chain) => chain.toggleHeading({ level: 1 }) },
  { label: 'List', face: h('span', { class: 'tool-serif' }, '•'), isOn: (editor) => editor.isActive('bulletList'), run: (chain) => chain.toggleBulletList() },
  { label: 'Quote', face: h('span', { class: 'tool-serif' }, '”'), isOn: (editor) => editor.isActive('blockquote'), run: (chain) => chain.toggleBlockquote() }
]

export function createTools (parent, editor) {
  const buttons = TOOLS.map(({ label, face, run }) => h('button', {
    type: 'button',
    class: 'icon-button tool',
    'aria-label': label,
    title: label,
    onclick: () => run(editor.chain().focus()).run()
  }, face))
  parent.append(...buttons)
  editor.on('transaction', () => {
    for (const [index, { isOn }] of TOOLS.entries()) buttons[index].setAttribute('aria-pressed', String(isOn(editor)))
  })
}
