// The text editor: CodeMirror over a shared text. Knows how text is edited and looks; nothing of connections, people or the page around it.

import { defaultKeymap } from '@codemirror/commands'
import { markdown, markdownKeymap } from '@codemirror/lang-markdown'
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { Compartment, EditorState } from '@codemirror/state'
import { EditorView, drawSelection, dropCursor, keymap, placeholder } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import { cursors } from './cursors.js'
import { h } from './element.js'

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
  h('p', {}, 'Start typing, then open this page in a second window, or share the link: whoever opens it writes here with you.'),
  h('p', { class: 'invitation-hint' }, '# Heading  ·  **bold**  ·  *italic*  ·  - list  ·  > quote'))

/**
 * @param {object} options
 * @param {HTMLElement} options.parent
 * @param {import('yjs').Text} options.text
 * @param {import('y-protocols/awareness').Awareness} options.awareness
 * @param {string} options.label what assistive technology calls the text
 * @param {{ anchor: number, head: number }} [options.selection]
 */
export function createEditor ({ parent, text, awareness, label, selection }) {
  const writing = new Compartment()
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text.toString(),
      selection,
      extensions: [
        // Positions in the shared text count every character: a CRLF that another client typed must stay two.
        EditorState.lineSeparator.of('\n'),
        EditorView.clipboardInputFilter.of((pasted) => pasted.replace(/\r\n?/g, '\n')),
        yCollab(text, null),
        cursors(text, awareness),
        keymap.of([...yUndoManagerKeymap, ...markdownKeymap, ...defaultKeymap]),
        markdown({ addKeymap: false }),
        syntaxHighlighting(highlight),
        EditorView.lineWrapping,
        drawSelection(),
        dropCursor(),
        placeholder(invitation),
        EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'true', autocapitalize: 'sentences' }),
        writing.of([])
      ]
    })
  })
  return {
    view,
    /** Until allowed again the text can be read, selected and copied. */
    setWritable (isWritable) {
      const forbidden = [EditorState.readOnly.of(true), EditorView.editable.of(false)]
      view.dispatch({ effects: writing.reconfigure(isWritable ? [] : forbidden) })
    },
    destroy () { view.destroy() }
  }
}
