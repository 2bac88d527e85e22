// Stands in for linkifyjs, which @tiptap/extension-link imports, and which brings a list of all top-level domains: as much as all of
// this page's own code. Addresses are those that begin with http:// or https://, as in the conversation.

import { ADDRESS } from '../page/links.js'

const part = (value, start, isLink) => ({ type: isLink ? 'url' : 'text', isLink, value, href: value, start, end: start + value.length })

/** The addresses in a text. */
export const find = (text) => [...text.matchAll(ADDRESS)].map(({ 0: address, index }) => part(address, index, true))

/** All of a text in its order: addresses, and what stands between them. */
export function tokenize (text) {
  const parts = []
  let end = 0
  for (const link of find(text)) {
    if (link.start > end) parts.push(part(text.slice(end, link.start), end, false))
    parts.push(link)
    end = link.end
  }
  if (end < text.length) parts.push(part(text.slice(end), end, false))
  return parts.map((part) => ({ toObject: () => part }))
}

export const registerCustomProtocol = () => {}
export const reset = () => {}
