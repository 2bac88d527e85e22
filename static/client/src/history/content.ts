// What a document looked like after an edit, or what differs between two: as a light tree of blocks and runs, to be drawn. Pure.

import type { Part, Timeline, TypePart } from './timeline.js'

/** Which of two states something is in. Where only one state is asked for, all is `both`. */
export type Presence = 'both' | 'after' | 'before'

/** Text of one author, or something that is no text (`object`: what it is called). */
export interface Run {
  text: string
  by: number
  /** Its first unit, by which more can be asked of it. */
  unit: number
  presence: Presence
  formats: string[]
  /** It is in both states, in different formats. */
  isChanged: boolean
  /** The last edit brought it. */
  isNew: boolean
  object?: boolean
}

export interface Block {
  /** An element of HTML. */
  tag: string
  presence: Presence
  /** It is in both states, with different attributes. */
  isChanged: boolean
  /** What kind of element it was, where HTML has none that fits. */
  label?: string
  children: (Block | Run)[]
}

export const isRun = (part: Block | Run): part is Run => 'text' in part

const LINE_END = 10

/** What elements of ProseMirror's usual schemas, Tiptap's among them, are in HTML. Those that hold nothing, by a name for people. */
const TAGS: Record<string, string> = {
  paragraph: 'p', blockquote: 'blockquote', codeblock: 'pre', bulletlist: 'ul', orderedlist: 'ol', listitem: 'li', tasklist: 'ul', taskitem: 'li',
  table: 'table', tablerow: 'tr', tablecell: 'td', tableheader: 'th', horizontalrule: 'hr', hardbreak: 'br'
}
const FORMATS: Record<string, string> = {
  bold: 'bold', strong: 'bold', italic: 'italic', em: 'italic', strike: 'strike', code: 'code', underline: 'underline', link: 'underline'
}

/** The blocks of the document after the edit `at`; with `before` compared with how it was after that one. */
export function blocksOf (timeline: Timeline, at: number, before: number | null = null): Block[] {
  const reader = new Reader(timeline, at, before)
  const inside = before === null ? BOTH : { before: true, after: true }
  return timeline.isXml ? paragraphsOf(reader.elements(timeline.root, inside)) : linesOf(reader.inline(timeline.root, inside))
}

/** Text as it was, without anything else. */
export const plainTextOf = (blocks: readonly Block[]): string => blocks.map(textOf).join('\n')
const textOf = (block: Block): string => block.children.map((part) => isRun(part) ? part.text : textOf(part)).join('')

/** In which of the two states the type around something is. */
interface Inside { before: boolean, after: boolean }
const BOTH: Inside = { before: false, after: true }

class Reader {
  #timeline: Timeline
  #at: number
  #before: number | null
  /** Units that only moved: where they are, and where they were. */
  #kept = new Set<number>()
  #gone = new Set<number>()
  /** How many units that were elsewhere are left out so far. */
  #leftOut = 0

  constructor (timeline: Timeline, at: number, before: number | null) {
    this.#timeline = timeline
    this.#at = at
    this.#before = before
    // In a plain text nothing else would tell that a line is elsewhere now.
    if (before !== null && timeline.isXml) ({ kept: this.#kept, gone: this.#gone } = timeline.movedBetween(before, at))
  }

  #inside (unit: number, { before, after }: Inside): Inside {
    return {
      before: before && this.#timeline.isThere(unit, this.#before!),
      after: after && this.#timeline.isThere(unit, this.#at)
    }
  }

  #presence ({ before, after }: Inside): Presence | null {
    if (this.#before === null) return after ? 'both' : null
    return before && after ? 'both' : after ? 'after' : before ? 'before' : null
  }

  /** What stands in an element. */
  elements (type: TypePart, inside: Inside): (Block | Run)[] {
    return type.parts.flatMap((part): (Block | Run)[] => {
      if (part.kind !== 'type') return this.inline({ ...type, parts: [part] }, inside)
      if (part.name !== null) return this.#element(part, inside)
      const within = this.#inside(part.unit!, inside)
      return this.#presence(within) ? this.inline(part, within) : []
    })
  }

  #element (type: TypePart, outside: Inside): (Block | Run)[] {
    const unit = type.unit!
    const inside = this.#inside(unit, outside)
    const presence = this.#presence(inside)
    if (!presence) return []
    const attributes = this.#timeline.attributesOf(type, inside.after ? this.#at : this.#before!)
    const isChanged = this.#before !== null && presence === 'both' &&
      JSON.stringify(attributes) !== JSON.stringify(this.#timeline.attributesOf(type, this.#before))
    const name = type.name!
    const known = name.toLowerCase().replaceAll('_', '')
    const level = Number(attributes.level)
    const tag = known === 'heading' ? `h${level >= 1 && level <= 6 ? level : 1}` : Object.hasOwn(TAGS, known) ? TAGS[known]! : null
    const leftOut = this.#leftOut
    const children = this.elements(type, inside)
    const presences = presence === 'both' ? new Set<Presence>() : presencesOf(children)
    // All that was in it is elsewhere now; or all that is in it was in another.
    if (presence === 'before' && presences.size === 0 && this.#leftOut > leftOut) return []
    const isOther = presence === 'after' && presences.size === 1 && presences.has('both')
    const state = { presence: isOther ? 'both' as const : presence, isChanged: isChanged || isOther }
    if (tag) return [{ tag, ...state, children }]
    if (children.length > 0) return [{ tag: 'div', ...state, label: name, children }]
    return [{ tag: 'div', ...state, children: [this.#object(name, unit, presence)] }]
  }

  #object (text: string, unit: number, presence: Presence): Run {
    const { by, inserted } = this.#timeline
    return { text, by: by[unit]!, unit, presence, formats: [], isChanged: false, isNew: inserted[unit] === this.#at, object: true }
  }

  /** The text in a type, run by run. */
  inline (type: TypePart, inside: Inside): (Block | Run)[] {
    const found: (Block | Run)[] = []
    const [marks, marksBefore] = [new Map<string, unknown>(), new Map<string, unknown>()]
    for (const part of type.parts) this.#part(part, inside, found, marks, marksBefore)
    return found
  }

  #part (part: Part, inside: Inside, found: (Block | Run)[], marks: Map<string, unknown>, marksBefore: Map<string, unknown>): void {
    const timeline = this.#timeline
    if (part.kind === 'mark') {
      if (timeline.isThere(part.unit, this.#at)) setMark(marks, part)
      if (this.#before !== null && timeline.isThere(part.unit, this.#before)) setMark(marksBefore, part)
    } else if (part.kind === 'embed') {
      const presence = this.#presence(this.#inside(part.unit, inside))
      if (presence) found.push(this.#object(nameOf(part.value), part.unit, presence))
    } else if (part.kind === 'type') {
      const within = part.name === null ? this.elements({ ...part, parts: [part] }, inside) : this.#element(part, inside)
      for (const one of within) found.push(one)
    } else {
      this.#units(part.from, part.to, inside, found, marks, marksBefore)
    }
  }

  #units (from: number, to: number, inside: Inside, found: (Block | Run)[], marks: Map<string, unknown>, marksBefore: Map<string, unknown>): void {
    const timeline = this.#timeline
    const { inserted, deleted, by } = timeline
    const [at, before] = [this.#at, this.#before ?? -1]
    const formats = namesOf(marks)
    const formatsBefore = this.#before === null ? formats : namesOf(marksBefore)
    const isOther = this.#before !== null && JSON.stringify([...marks].sort()) !== JSON.stringify([...marksBefore].sort())
    let start = from
    let state = 0
    let author = 0
    let isNew = false
    let isMoved = false
    const push = (end: number) => {
      if (state === 0 || end === start) return
      const presence = this.#before === null || state === 3 ? 'both' : state === 1 ? 'after' : 'before'
      add(found, {
        text: timeline.textOf(start, end, state === 2 ? before : at), by: author, unit: start, presence, formats: presence === 'before' ? formatsBefore : formats,
        isChanged: isOther && !isMoved && presence === 'both', isNew
      })
    }
    for (let unit = from; unit < to; unit++) {
      const [came, went] = [inserted[unit]!, deleted[unit]!]
      let next = (inside.after && came <= at && (went === 0 || went > at) ? 1 : 0) |
        (inside.before && came <= before && (went === 0 || went > before) ? 2 : 0)
      const nextMoved = next === 1 && this.#kept.has(unit)
      if (nextMoved) next = 3
      if (next === 2 && this.#gone.has(unit)) {
        next = 0
        this.#leftOut++
      }
      const nextNew = came === at
      const isSame = next === state && (next === 0 || (by[unit] === author && nextNew === isNew && nextMoved === isMoved))
      // Each line is for itself.
      if (isSame && (unit === from || timeline.codeAt(unit - 1) !== LINE_END)) continue
      push(unit)
      start = unit
      state = next
      author = by[unit]!
      isNew = nextNew
      isMoved = nextMoved
    }
    push(to)
  }
}

/** Of all runs in blocks. */
function presencesOf (parts: readonly (Block | Run)[], found = new Set<Presence>()): Set<Presence> {
  for (const part of parts) {
    if (isRun(part)) found.add(part.presence)
    else presencesOf(part.children, found)
  }
  return found
}

function setMark (marks: Map<string, unknown>, { key, value }: { key: string, value: unknown }): void {
  if (value === null) marks.delete(key)
  else marks.set(key, value)
}

/** Marks may have a suffix, by which y-prosemirror tells several of one kind apart. */
const namesOf = (marks: Map<string, unknown>): string[] =>
  [...marks.keys()].map((key) => FORMATS[key.split('--')[0]!.toLowerCase()]).filter((name) => name !== undefined).sort()

const nameOf = (value: unknown): string => value && typeof value === 'object' ? Object.keys(value)[0] ?? 'object' : 'object'

/** Adds a run, as part of the last one where that says the same of it. */
function add (found: (Block | Run)[], run: Run): void {
  const last = found.at(-1)
  const isSame = last && isRun(last) && !last.object && !last.text.endsWith('\n') && last.by === run.by && last.presence === run.presence && last.isNew === run.isNew &&
    last.isChanged === run.isChanged && last.formats.join() === run.formats.join()
  if (isSame) last.text += run.text
  else found.push(run)
}

/** A text by its lines. A line end that is not in both states is seen as such. */
function linesOf (parts: (Block | Run)[]): Block[] {
  const lines = [blockOf('div', [])]
  for (const part of parts) {
    const ends = isRun(part) && part.text.endsWith('\n')
    const text = ends ? part.text.slice(0, -1) + (part.presence === 'both' ? '' : '¶') : null
    if (text === null) lines.at(-1)!.children.push(part)
    else if (text !== '') lines.at(-1)!.children.push({ ...part as Run, text })
    if (ends) lines.push(blockOf('div', []))
  }
  return lines
}

/** Text that stands in no element is a paragraph. */
function paragraphsOf (parts: (Block | Run)[]): Block[] {
  const blocks: Block[] = []
  let isOpen = false
  for (const part of parts) {
    if (!isRun(part)) blocks.push(part)
    else if (isOpen) blocks.at(-1)!.children.push(part)
    else blocks.push(blockOf('p', [part]))
    isOpen = isRun(part)
  }
  return blocks
}

const blockOf = (tag: string, children: (Block | Run)[]): Block => ({ tag, presence: 'both', isChanged: false, children })
