// The rich text editor: Tiptap over a shared document, and its connection. Knows how text is edited and looks; nothing of people or the page around it.

import { HocuspocusProvider } from '@hocuspocus/provider'
import { Editor } from '@tiptap/core'
import Collaboration from '@tiptap/extension-collaboration'
import CollaborationCaret from '@tiptap/extension-collaboration-caret'
import { Placeholder } from '@tiptap/extensions'
import StarterKit from '@tiptap/starter-kit'
import { absolutePositionToRelativePosition, relativePositionToAbsolutePosition, ySyncPluginKey } from '@tiptap/y-tiptap'
import {
  createAbsolutePositionFromRelativePosition, createRelativePositionFromJSON, createRelativePositionFromTypeIndex, relativePositionToJSON
} from 'yjs'
import { watchHocuspocusProvider } from '/tutti.js'
import { h } from '../page/element.js'
import { personOf } from '../page/person.js'
import { hocuspocusFrameName } from '../page/yjs-frames.js'
import { createBubble } from './bubble.js'
import { createTools } from './tools.js'

/** Each paragraph has the direction of its own text. */
const AUTO = { HTMLAttributes: { dir: 'auto' } }
const PLACEHOLDER = 'An empty page, for everyone. Start typing, then open it in a second window, or share the link.'

/** What others say of themselves comes unchecked: it becomes text and a colour, nothing else. */
function caretOf (user) {
  const { name, colour, user: id } = personOf(0, { user })
  return h('span', { class: 'caret', '--who': colour, 'data-user': id }, h('span', { class: 'caret-name' }, name))
}

const selectionOf = (user) => {
  const { colour } = personOf(0, { user })
  return { class: 'others-selection', style: `--who: ${colour}` }
}

function connect ({ room, doc, guest, onFrame }) {
  let hasTriedFreshToken = false
  const provider = new HocuspocusProvider({
    url: `${location.origin.replace(/^http/, 'ws')}/hocuspocus`,
    name: room,
    document: doc,
    // Asked again whenever the server wants a fresh one.
    token: () => guest.token
  })
  const sync = watchHocuspocusProvider(provider, {
    // A key changed on the server ends every token once.
    isFinal: () => hasTriedFreshToken
  })
  // A token that holds may still open nothing: a document that was deleted is denied after that.
  provider.on('synced', () => { hasTriedFreshToken = false })
  provider.on('authenticationFailed', async () => {
    if (hasTriedFreshToken) return
    hasTriedFreshToken = true
    await guest.renew().then(() => provider.sendToken(), () => {})
  })
  const tell = (direction, frame) => onFrame({ endpoint: '/hocuspocus', direction, text: hocuspocusFrameName(frame), bytes: frame.length })
  provider.on('message', ({ event }) => tell('received', new Uint8Array(event.data)))
  provider.on('outgoingMessage', ({ message }) => {
    const frame = message.toUint8Array?.()
    // The token stays out of sight.
    if (frame) tell('sent', frame)
  })
  return { provider, sync }
}

/** Loads the panel of comments, which the text does not wait for. */
function openComments (editor, doc, room) {
  const yjs = { createAbsolutePositionFromRelativePosition, createRelativePositionFromJSON, createRelativePositionFromTypeIndex, relativePositionToJSON }
  const binding = { absolutePositionToRelativePosition, relativePositionToAbsolutePosition, ySyncPluginKey }
  const opened = import(document.body.dataset.comments).then(({ createComments }) => createComments({ editor, doc, room, yjs, binding }))
  opened.catch((error) => console.error('no comments:', error))
  return opened
}

/** Connects the document and shows it. @returns {import('../page/text.js').Editor} */
export function openEditor ({ parent, tools, room, doc, guest, talk, label, place, onFrame }) {
  const { provider, sync } = connect({ room, doc, guest, onFrame })
  const editor = new Editor({
    element: parent,
    editable: false,
    extensions: [
      // The shared document has a history of its own, and nodes that each window adds by itself would pile up in it.
      StarterKit.configure({
        undoRedo: false, trailingNode: false, paragraph: AUTO, heading: AUTO, bulletList: AUTO, orderedList: AUTO, listItem: AUTO, blockquote: AUTO,
        link: { openOnClick: 'whenNotEditable', HTMLAttributes: { rel: 'noopener noreferrer', target: '_blank' } }
      }),
      Placeholder.configure({ placeholder: PLACEHOLDER, showOnlyWhenEditable: false }),
      Collaboration.configure({ document: doc }),
      CollaborationCaret.configure({ provider, user: {}, render: caretOf, selectionRender: selectionOf })
    ],
    editorProps: {
      attributes: { 'aria-label': label, 'aria-multiline': 'true', role: 'textbox', tabindex: '0' },
      handleClick (_view, _position, event) {
        const address = event.target.closest?.('a[href]')?.href
        if (!address || !(event.ctrlKey || event.metaKey)) return false
        window.open(address, '_blank', 'noopener,noreferrer')
        return true
      }
    }
  })
  // The caret extension announces the user it was given: who that is, the page says later.
  provider.awareness.setLocalStateField('user', null)
  const toolbar = createTools(tools, editor)
  const bubble = createBubble(parent, editor)
  if (place) parent.scrollTop = place.scrollTop
  const comments = openComments(editor, doc, talk.room)
  return {
    sync,
    awareness: provider.awareness,
    setWritable (isAllowed) {
      toolbar.setShown(isAllowed)
      if (editor.isEditable !== isAllowed) editor.setEditable(isAllowed)
    },
    focus: () => editor.commands.focus(),
    reveal: ({ user }) => parent.querySelector(`.caret[data-user="${CSS.escape(user)}"]`)?.scrollIntoView({ block: 'center' }),
    text: () => editor.getText(),
    title () {
      let title = ''
      editor.state.doc.forEach((node) => { if (!title && node.type.name === 'heading') title = node.textContent.trim().slice(0, 80) })
      return title
    },
    place: () => ({ scrollTop: parent.scrollTop }),
    destroy () {
      sync.stop()
      toolbar.remove()
      bubble.remove()
      comments.then(({ remove }) => remove(), () => {})
      editor.destroy()
      provider.destroy()
    }
  }
}
