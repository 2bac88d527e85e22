// Asks a person something over the panel: to confirm, or for a name.

import { h } from './elements.js'

export interface Question {
  title: string
  text?: string
  /** Asks for a name, too, beginning with this one. */
  name?: string
  confirm: string
  /** A second thing that can be done. */
  other?: { label: string, act: () => Promise<void> }
  /** What is done; what it throws is told, and the question stays. */
  act: (name: string) => Promise<void>
  /** Told beneath the text as soon as it is known. */
  note?: Promise<string>
}

/** A label has at most 200 bytes; the server tells if it is still too long. */
const NAME_CHARS_MAX = 200

/** Resolves when the question is gone, with whether anything was done. */
export function ask (parent: ShadowRoot, { title, text, name, confirm, other, act, note }: Question): Promise<boolean> {
  const input = name !== undefined && h('input', { type: 'text', value: name, maxlength: NAME_CHARS_MAX, required: true, autocomplete: 'off', 'data-testid': 'history-name' })
  const error = h('p', { class: 'error', role: 'alert', hidden: true })
  const noted = h('p', { 'data-testid': 'history-note' }, '')
  note?.then((told) => { noted.textContent = told }, () => { noted.textContent = '' })
  return new Promise((resolve) => {
    let isDone = false
    const perform = async (work: () => Promise<void>) => {
      for (const button of dialog.querySelectorAll('button')) button.disabled = true
      error.hidden = true
      try {
        await work()
        isDone = true
        dialog.close()
      } catch (thrown) {
        error.textContent = thrown instanceof Error ? thrown.message : String(thrown)
        error.hidden = false
        for (const button of dialog.querySelectorAll('button')) button.disabled = false
      }
    }
    const form = h('form', {
      onsubmit: (event: Event) => {
        event.preventDefault()
        perform(() => act(input ? input.value.trim() : ''))
      }
    },
    h('h2', { id: 'ask-title' }, title), text ? h('p', {}, text) : null, note ? noted : null,
    input && h('label', {}, 'Name', input), error,
    h('div', { class: 'ask-actions' },
      other ? h('button', { type: 'button', class: 'button quiet', onclick: () => { perform(other.act) } }, other.label) : null,
      h('button', { type: 'button', class: 'button', onclick: () => { dialog.close() } }, 'Cancel'),
      h('button', { type: 'submit', class: 'button primary', 'data-testid': 'history-confirm' }, confirm)))
    const dialog = h('dialog', {
      class: 'ask',
      'aria-labelledby': 'ask-title',
      onclose: () => {
        dialog.remove()
        resolve(isDone)
      }
    }, form)
    parent.append(dialog)
    dialog.showModal()
  })
}
