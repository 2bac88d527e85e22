// The text editor: CodeMirror over a shared text, and its connection. Knows how text is edited and looks; nothing of people or the page around it.

import { defaultKeymap } from '@codemirror/commands'
import { markdown, markdownKeymap } from '@codemirror/lang-markdown'
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { Compartment, EditorState } from '@codemirror/state'
import { search, searchKeymap } from '@codemirror/search'
import { Decoration, EditorView, MatchDecorator, ViewPlugin, drawSelection, dropCursor, keymap, placeholder } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import { WebsocketProvider } from 'y-websocket'
import { openDocument } from '/tutti.js'
import { h } from '../page/element.js'
import { ADDRESS } from '../page/links.js'
import { frameName } from '../page/yjs-frames.js'
import { cursors, revealCursor } from './cursors.js'

/** Classes, so that both themes style them from one place: styles/editor.css. */
const highlight = HighlightStyle.define([
  { tag: tags.heading1, class: 'md-heading md-heading-1' },
  { tag: tags.heading2, class: 'md-heading md-heading-2' },
  { tag: tags.heading, class: 'md-heading' },
  { tag: tags.strong, class: 'md-strong' },
  { tag: tags.emphasis, class: 'md-emphasis' },
  { tag: tags.strikethrough, class: 'md-strikethrough' },
  { tag: [tags.link, tags.url], class: 'md-link' },
  { tag: tags.monospace, class: 'md-code' },
  { tag: tags.quote, class: 'md-quote' },
  { tag: [tags.processingInstruction, tags.contentSeparator, tags.labelName], class: 'md-mark' },
  { tag: [tags.keyword, tags.tagName, tags.operator], class: 'md-keyword' },
  { tag: [tags.string, tags.attributeValue], class: 'md-string' },
  { tag: tags.comment, class: 'md-comment' }
])

const invitation = () => h('div', { class: 'invitation' },
  h('p', { class: 'invitation-title' }, 'An empty page, for everyone.'),
  h('p', {}, 'Start typing, then open this page in a second window, or share the link: anyone who opens it can write here with you.'),
  h('p', { class: 'invitation-hint' }, '# Heading  ·  **bold**  ·  *italic*  ·  - list  ·  > quote'))

/** Each line has the direction of its own text. */
const lineDirections = [
  EditorView.perLineTextDirection.of(true),
  ViewPlugin.define((view) => ({
    decorations: directionsOf(view),
    update (update) { if (update.docChanged || update.viewportChanged) this.decorations = directionsOf(update.view) }
  }), { decorations: (plugin) => plugin.decorations })
]
const direction = Decoration.line({ attributes: { dir: 'auto' } })

function directionsOf (view) {
  const lines = []
  for (const { from, to } of view.visibleRanges) {
    for (let at = from; at <= to;) {
      const line = view.state.doc.lineAt(at)
      if (lines.at(-1)?.from !== line.from) lines.push(direction.range(line.from))
      at = line.to + 1
    }
  }
  return Decoration.set(lines)
}

/** Addresses open with Ctrl or Cmd, as in other editors; for who may only read, by a plain click. */
const addresses = new MatchDecorator({
  regexp: ADDRESS,
  decoration: ([address]) => Decoration.mark({ class: 'md-address', attributes: { 'data-href': address, title: 'Ctrl+click to open' } })
})
const links = [
  ViewPlugin.define((view) => ({
    decorations: addresses.createDeco(view),
    update (update) { this.decorations = addresses.updateDeco(update, this.decorations) }
  }), { decorations: (plugin) => plugin.decorations }),
  EditorView.domEventHandlers({
    click (event, view) {
      const address = event.target.closest?.('[data-href]')?.dataset.href
      if (!address || !(event.ctrlKey || event.metaKey || view.state.readOnly)) return false
      window.open(address, '_blank', 'noopener,noreferrer')
      return true
    }
  })
]

/** Tells each frame of the document's connection, as long as there is one. */
function tellFrames (provider, onFrame) {
  const tell = (direction, data) => {
    const frame = new Uint8Array(data)
    onFrame({ endpoint: '/yjs', direction, text: frameName(frame), bytes: frame.length })
  }
  provider.on('status', ({ status }) => {
    if (status !== 'connecting' || !provider.ws || provider.ws.isTold) return
    const socket = provider.ws
    const send = socket.send.bind(socket)
    socket.isTold = true
    socket.addEventListener('message', ({ data }) => tell('received', data))
    socket.send = (data) => {
      send(data)
      tell('sent', data)
    }
  })
}

/**
 * Connects the document and shows it.
 * @param {object} options
 * @param {HTMLElement} options.parent
 * @param {string} options.room
 * @param {import('yjs').Doc} options.doc
 * @param {import('../page/guest.js').Guest} options.guest
 * @param {boolean} options.isDirty the document holds edits that nobody has confirmed
 * @param {string} options.label what assistive technology calls the text
 * @param {{ selection: { anchor: number, head: number }, scrollTop: number }} [options.place]
 * @returns {import('../page/text.js').Editor}
 */
export function openEditor ({ parent, room, doc, guest, isDirty, label, place, onFrame }) {
  const text = doc.getText('content')
  const { provider, sync, close } = openDocument({ url: '/yjs', room, doc, token: () => guest.freshToken(), WebsocketProvider, isDirty })
  const { awareness } = provider
  tellFrames(provider, onFrame)
  const writing = new Compartment()
  const forbidden = [EditorState.readOnly.of(true), EditorView.editable.of(false), EditorView.contentAttributes.of({ tabindex: '0' })]
  let isWritable = false
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text.toString(),
      selection: place?.selection,
      extensions: [
        // Positions in the shared text count every character: a CRLF that another client typed must stay two.
        EditorState.lineSeparator.of('\n'),
        EditorView.clipboardInputFilter.of((pasted) => pasted.replace(/\r\n?/g, '\n')),
        yCollab(text, null),
        cursors(text, awareness),
        keymap.of([...yUndoManagerKeymap, ...searchKeymap, ...markdownKeymap, ...defaultKeymap]),
        search({ top: true }),
        markdown({ addKeymap: false }),
        syntaxHighlighting(highlight),
        lineDirections,
        links,
        EditorView.lineWrapping,
        drawSelection(),
        dropCursor(),
        placeholder(invitation),
        EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'true', autocapitalize: 'sentences' }),
        writing.of(forbidden)
      ]
    })
  })
  if (place) view.scrollDOM.scrollTop = place.scrollTop
  return {
    sync,
    awareness,
    /** Until allowed again the text can be read, selected and copied. */
    setWritable (isAllowed) {
      if (isAllowed === isWritable) return
      isWritable = isAllowed
      view.dispatch({ effects: writing.reconfigure(isAllowed ? [] : forbidden) })
    },
    focus: () => view.focus(),
    reveal: ({ cursor }) => revealCursor(view, text, cursor),
    text: () => text.toString(),
    title: () => /^#{1,6}[ \t]+(.+)$/m.exec(text.toString().slice(0, 2_000))?.[1].replace(/[*_`]/g, '').trim().slice(0, 80) ?? '',
    place () {
      const { anchor, head } = view.state.selection.main
      return { selection: { anchor, head }, scrollTop: view.scrollDOM.scrollTop }
    },
    destroy () {
      view.destroy()
      close()
      awareness.destroy()
    }
  }
}
