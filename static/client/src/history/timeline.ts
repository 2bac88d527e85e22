// A document's whole history in memory: which units there were after each edit, who wrote them, and how they lie in elements. Pure.

import type { Replay, ReplayNode, Runs } from '../types.js'

/** A root or shared type, with what it holds in the order of the document. */
export interface TypePart {
  kind: 'type'
  /** Of its own; the root has none. */
  unit: number | null
  /** Null for a text. */
  name: string | null
  end: number
  attributes: { unit: number, key: string, value: unknown }[]
  parts: Part[]
}
export interface TextPart { kind: 'units', from: number, to: number }
export interface MarkPart { kind: 'mark', unit: number, key: string, value: unknown }
export interface EmbedPart { kind: 'embed', unit: number, value: unknown }
export type Part = TypePart | TextPart | MarkPart | EmbedPart

const HALF = /[\ud800-\udfff]/g
/** What half a pair is once the other half is elsewhere. */
const LOST = '\ufffd'

export class Timeline {
  /** How many edits there are. After 0 of them the document is empty. */
  readonly count: number
  readonly authors: readonly string[]
  readonly root: TypePart
  readonly isXml: boolean
  /** The newest entry of the room that is in it. */
  readonly head: number
  /** Of each unit: the edit that inserted it, the one that deleted it (0: none), and the number of its author. */
  readonly inserted: Uint32Array
  readonly deleted: Uint32Array
  readonly by: Uint32Array
  #text: string
  /** Of halves of surrogate pairs, the first edit after which they are none. */
  #halves = new Map<number, number>()
  /** In the order of their units. */
  #moved: Replay['moved']
  #seqs: Float64Array
  #timesMs: Float64Array
  #editors: Uint32Array

  // A server of the release before tells neither what moved nor pairs.
  constructor ({ seq, kind, authors, edits, units, nodes, moved = [], pairs = [] }: Replay) {
    const { length } = units.text
    this.head = seq
    this.count = edits.count
    this.authors = authors
    this.#text = this.#withPairs(units.text, pairs)
    this.#moved = moved
    this.isXml = kind === 'xml'
    this.inserted = unrolled(units.inserted, new Uint32Array(length))
    this.deleted = unrolled(units.deleted, new Uint32Array(length))
    this.by = unrolled(units.by, new Uint32Array(length))
    this.#seqs = unrolled(edits.seq, new Float64Array(edits.count))
    this.#editors = unrolled(edits.by, new Uint32Array(edits.count))
    let ms = 0
    this.#timesMs = Float64Array.from(edits.at, (afterMs) => (ms += afterMs))
    this.root = treeOf(nodes, length, this.isXml)
  }

  /** The text of units as it read after an edit. */
  textOf (from: number, to: number, edit: number): string {
    const text = this.#text.slice(from, to)
    if (this.#halves.size === 0) return text
    return text.replace(HALF, (half, at: number) => (this.#halves.get(from + at) ?? Infinity) > edit ? half : LOST)
  }

  /** What a unit is as a code unit; halves of pairs are such halves. */
  codeAt (unit: number): number { return this.#text.charCodeAt(unit) }

  #withPairs (text: string, pairs: Replay['pairs']): string {
    const parts: string[] = []
    let end = 0
    const halves = pairs.flatMap(([at, other, code, until]) => {
      const pair = String.fromCodePoint(code)
      return [{ unit: at, half: pair[0]!, until }, { unit: other, half: pair[1]!, until }]
    })
    for (const { unit, half, until } of halves.sort((a, b) => a.unit - b.unit)) {
      this.#halves.set(unit, until)
      parts.push(text.slice(end, unit), half)
      end = unit + 1
    }
    return parts.length > 0 ? parts.join('') + text.slice(end) : text
  }

  /** The entry of an edit; 0 before all. */
  seqOf (edit: number): number { return this.#seqs[edit - 1] ?? 0 }

  /** When an edit was committed, in Unix milliseconds; before all, when the first one was. */
  timeOf (edit: number): number { return this.#timesMs[Math.max(edit, 1) - 1] ?? 0 }

  /** Who made an edit. */
  editorOf (edit: number): string | undefined { return this.authors[this.#editors[edit - 1] ?? -1] }

  /** The last edit that is not after an entry. */
  editAt (seq: number): number {
    let [low, high] = [0, this.count]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#seqs[middle]! <= seq) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Whether a unit was there after an edit, as far as it is for itself. */
  isThere (unit: number, edit: number): boolean {
    const deleted = this.deleted[unit]!
    return this.inserted[unit]! <= edit && (deleted === 0 || deleted > edit)
  }

  /**
   * Editors write text anew where somebody only presses Enter or makes a heading. Of two states, units of the later one that stand for
   * some of the earlier one, and those.
   */
  movedBetween (before: number, after: number): { kept: Set<number>, gone: Set<number> } {
    const [kept, gone] = [new Set<number>(), new Set<number>()]
    for (const [first, , count] of this.#moved) {
      for (let unit = first; unit < first + count; unit++) {
        if (!this.isThere(unit, after) || this.isThere(unit, before)) continue
        // What it stands for was there earlier, so this ends.
        let source = this.#sourceOf(unit)
        while (source !== null && !this.isThere(source, before)) source = this.#sourceOf(source)
        if (source === null || gone.has(source) || this.isThere(source, after)) continue
        kept.add(unit)
        gone.add(source)
      }
    }
    return { kept, gone }
  }

  #sourceOf (unit: number): number | null {
    let [low, high] = [0, this.#moved.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#moved[middle]![0] <= unit) low = middle + 1
      else high = middle
    }
    const run = this.#moved[low - 1]
    return run && unit < run[0] + run[2] ? run[1] + unit - run[0] : null
  }

  /** The attributes of a type after an edit. */
  attributesOf (type: TypePart, edit: number): Record<string, unknown> {
    return Object.fromEntries(type.attributes.filter(({ unit }) => this.isThere(unit, edit)).map(({ key, value }) => [key, value]))
  }
}

function unrolled<Numbers extends Uint32Array | Float64Array> (runs: Runs, numbers: Numbers): Numbers {
  let at = 0
  for (let i = 0; i < runs.length; i += 3) {
    let number = runs[i]!
    const step = runs[i + 1]!
    for (let left = runs[i + 2]!; left > 0; left--, number += step) numbers[at++] = number
  }
  return numbers
}

function treeOf (nodes: readonly ReplayNode[], units: number, isXml: boolean): TypePart {
  const root = typeOf(null, isXml ? '' : null, units)
  const open = [root]
  let at = 0
  const flush = (to: number) => {
    if (to > at) open.at(-1)!.parts.push({ kind: 'units', from: at, to })
    at = Math.max(at, to)
  }
  const closeUntil = (unit: number) => {
    while (open.length > 1 && open.at(-1)!.end <= unit) {
      flush(open.at(-1)!.end)
      open.pop()
    }
  }
  for (const node of nodes) {
    closeUntil(node.at)
    flush(node.at)
    const type = open.at(-1)!
    at = node.at + 1
    if (node.kind === 'attribute') {
      type.attributes.push({ unit: node.at, key: node.key, value: node.value })
    } else if (node.kind === 'mark') {
      type.parts.push({ kind: 'mark', unit: node.at, key: node.key, value: node.value })
    } else if (node.kind === 'embed') {
      type.parts.push({ kind: 'embed', unit: node.at, value: node.value })
    } else {
      const inner = typeOf(node.at, node.kind === 'element' ? node.name : null, node.end)
      type.parts.push(inner)
      open.push(inner)
    }
  }
  closeUntil(units)
  flush(units)
  return root
}

const typeOf = (unit: number | null, name: string | null, end: number): TypePart =>
  ({ kind: 'type', unit, name, end, attributes: [], parts: [] })
