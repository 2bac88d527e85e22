// The document as it was, drawn: only blocks that differ from what is drawn already are made anew, so that a step costs little.

import { isRun, type Block, type Run } from './content.js'
import { h } from './elements.js'

export class Page {
  readonly element: HTMLElement
  #keys: string[] = []
  #nodes: HTMLElement[] = []

  constructor (element: HTMLElement) { this.element = element }

  /** Shows blocks in place of those that are shown. @returns The first that is another than before, if any is. */
  show (blocks: readonly Block[]): HTMLElement | null {
    const keys = blocks.map((block) => JSON.stringify(block))
    const [oldKeys, oldNodes] = [this.#keys, this.#nodes]
    let begin = 0
    while (begin < keys.length && begin < oldKeys.length && keys[begin] === oldKeys[begin]) begin++
    let same = 0
    while (same < keys.length - begin && same < oldKeys.length - begin && keys.at(-1 - same) === oldKeys.at(-1 - same)) same++
    const [end, oldEnd] = [keys.length - same, oldKeys.length - same]
    // What only moved is used again.
    const spare = new Map<string, HTMLElement[]>()
    for (let i = begin; i < oldEnd; i++) {
      const known = spare.get(oldKeys[i]!)
      if (known) known.push(oldNodes[i]!)
      else spare.set(oldKeys[i]!, [oldNodes[i]!])
    }
    const made = blocks.slice(begin, end).map((block, i) => spare.get(keys[begin + i]!)?.shift() ?? drawBlock(block))
    for (const unused of spare.values()) for (const node of unused) node.remove()
    let next: Node | null = oldNodes[oldEnd] ?? null
    for (let i = made.length - 1; i >= 0; i--) {
      const node = made[i]!
      if (node.nextSibling !== next || node.parentNode !== this.element) this.element.insertBefore(node, next)
      next = node
    }
    this.#keys = keys
    this.#nodes = [...oldNodes.slice(0, begin), ...made, ...oldNodes.slice(oldEnd)]
    return made[0] ?? null
  }
}

function drawBlock (block: Block): HTMLElement {
  const { tag, presence, isChanged, label, children } = block
  const isEmpty = children.length === 0 && tag !== 'hr' && tag !== 'br'
  const element = h(tag as 'div', {
    class: ['block', presence !== 'both' && presence, isChanged && 'changed', label && 'labelled'].filter(Boolean).join(' '), dir: 'auto', 'data-label': label
  }, isEmpty && document.createElement('br'))
  // One by one: a long text with many authors has more of them than a call may have arguments.
  for (const child of children) element.append(isRun(child) ? drawRun(child) : drawBlock(child))
  return element
}

function drawRun ({ text, by, unit, presence, formats, isChanged, isNew, object }: Run): HTMLElement {
  const tag = presence === 'after' ? 'ins' : presence === 'before' ? 'del' : 'span'
  const classes = ['run', `by-${by}`, ...formats, isChanged && 'changed', isNew && 'new', object && 'object']
  return h(tag, { class: classes.filter(Boolean).join(' '), 'data-unit': unit }, text)
}
