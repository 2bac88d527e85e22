// The rich text editor: Tiptap over a shared document. Knows how text is edited and looks; nothing of tokens or the page around it.

import { Editor } from '@tiptap/core'
import Collaboration from '@tiptap/extension-collaboration'
import CollaborationCaret from '@tiptap/extension-collaboration-caret'
import StarterKit from '@tiptap/starter-kit'
import { h } from '../demo/element.js'
import { personOf } from '../demo/person.js'

/** What others say of themselves comes unchecked: it becomes text and a colour, nothing else. */
function caretOf (user) {
  const { name, colour } = personOf(0, { user })
  return h('span', { class: 'caret', '--who': colour }, h('span', { class: 'caret-name' }, name))
}

const selectionOf = (user) => {
  const { colour } = personOf(0, { user })
  return { class: 'others-selection', style: `--who: ${colour}` }
}

export const createEditor = ({ parent, doc, provider, user, label }) => new Editor({
  element: parent,
  extensions: [
    // The shared document has a history of its own, and nodes that each window adds by itself would pile up in it.
    StarterKit.configure({ undoRedo: false, trailingNode: false, link: { openOnClick: false } }),
    Collaboration.configure({ document: doc }),
    CollaborationCaret.configure({ provider, user, render: caretOf, selectionRender: selectionOf })
  ],
  editorProps: { attributes: { 'aria-label': label, 'aria-multiline': 'true', role: 'textbox' } }
})
