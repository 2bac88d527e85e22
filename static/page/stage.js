// What stands in the middle: the text, or why there is none yet, or no more.

import { h } from './element.js'

const stage = document.getElementById('stage')
const card = document.getElementById('card')

/** @param {'loading' | 'text' | 'card'} state */
const setState = (state) => { stage.dataset.state = state }

export const showLoading = () => setState('loading')
export const showText = () => setState('text')
export const isTextShown = () => stage.dataset.state === 'text'

/** @param {{ title: string, reason: string, actions: (Node | false)[] }} content */
export function showCard ({ title, reason, actions }) {
  card.replaceChildren(h('h2', {}, title), h('p', {}, reason), h('div', { class: 'card-actions' }, ...actions))
  setState('card')
  card.focus()
}

export const button = (label, onclick, kind = '') => h('button', { type: 'button', class: `button ${kind}`, onclick }, label)
export const link = (label, href, kind = '') => h('a', { class: `button ${kind}`, href }, label)
