// Web addresses in what people type. Pure but for the elements it makes.

import { h } from './element.js'

/** An address ends before the punctuation of the sentence around it. */
export const ADDRESS = /https?:\/\/[^\s<>"'\])]*[^\s<>"'\]),.;:!?]/g

/** Text with its addresses as links. @returns {(string | HTMLElement)[]} */
export function linked (text) {
  const parts = []
  let end = 0
  for (const { 0: address, index } of text.matchAll(ADDRESS)) {
    parts.push(text.slice(end, index), link(address))
    end = index + address.length
  }
  parts.push(text.slice(end))
  return parts.filter((part) => part !== '')
}

const link = (address) => h('a', { href: address, target: '_blank', rel: 'noopener noreferrer' }, address)
