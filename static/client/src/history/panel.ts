// The panel: a slider over a document's whole history, the document as it was, what can be gone to, comparing and going back.

import type { Past } from '../past.js'
import type { Access, Restored, Session, Version } from '../types.js'
import { ask } from './asking.js'
import { blocksOf, isRun, type Block } from './content.js'
import { h, icon } from './elements.js'
import { charactersOf, countOf, dayOf, fullMomentOf, momentOf, momentWithin, spanOf } from './moments.js'
import { Page } from './page.js'
import { rowsOf, strip, type Row } from './rows.js'
import { STYLE } from './style.js'
import { Timeline } from './timeline.js'

export interface HistoryOptions {
  /** The room, of `tutti.room()`. */
  room: { readonly past: Past, readonly access: Access | null }
  /** The root type; needed for one of several. */
  root?: string
  /** How a user is shown; else by the id, in a colour that follows from it. */
  personOf?: (user: string) => { name: string, colour: string }
  /** Whether versions can be named and gone back to; else as the room's access says. */
  mayWrite?: boolean
  /** The document is as it was then; the panel has closed. */
  onRestored?: (restored: Restored) => void
  onClose?: () => void
}

/** An open panel. */
export interface HistoryPanel { close (): void }

/** Sessions in the list. */
const SESSIONS_MAX = 1_000
/** Parts of the strip above which the slider moves, each in the colour of who wrote then. */
const STRIP_PARTS = 240
/** How long playing from the beginning to the end takes at most, and how long each step is shown where there are few. */
const PLAY_MS_MAX = 30_000
const STEP_MS = 90
const COLOURS = ['#b4472e', '#a8650f', '#64762a', '#2d7d53', '#1f7a80', '#2f6fb0', '#5e5fc0', '#8a4fae', '#b03f86', '#b93c5d']
const LEGEND_MAX = 12

/** Opens the panel over the page. What cannot be had is said in it. */
export function openHistory (options: HistoryOptions): HistoryPanel { return new Panel(options) }

class Panel implements HistoryPanel {
  #options: HistoryOptions
  #host = h('div', { 'data-testid': 'history' })
  #shadow: ShadowRoot
  #dialog: HTMLDialogElement
  #stage = h('div', { class: 'stage', tabindex: 0, role: 'region', 'aria-label': 'The document as it was' })
  #caption = h('p', { class: 'caption', 'data-testid': 'history-caption' })
  #sheet = h('div', { class: 'sheet', 'data-testid': 'history-document', 'data-empty': 'Nothing was written yet.' })
  #page = new Page(this.#sheet)
  #legend = h('ul', { class: 'legend', 'aria-label': 'Authors' })
  #rows = h('ol', { class: 'rows', 'data-testid': 'history-rows' })
  #list = h('section', { class: 'list', id: 'list', 'aria-label': 'Versions and sessions' }, this.#rows)
  #listButton = this.#button({ class: 'button list-button', 'aria-controls': 'list', 'aria-expanded': 'false', onclick: () => this.#showList() }, icon('flag'), 'Versions')
  #play = this.#button({ class: 'icon-button play', 'data-testid': 'history-play', 'aria-label': 'Play', title: 'Play', onclick: () => this.#setPlaying(!this.#isPlaying) }, icon('play'))
  #back = this.#button({ class: 'icon-button', 'aria-label': 'One step back', title: 'One step back', onclick: () => this.#stepTo(this.#at - 1) }, icon('back'))
  #forth = this.#button({ class: 'icon-button', 'aria-label': 'One step forward', title: 'One step forward', onclick: () => this.#stepTo(this.#at + 1) }, icon('forth'))
  #slider = h('input', { class: 'slider', type: 'range', min: 0, max: 0, step: 1, 'aria-label': 'Moment', 'data-testid': 'history-slider', oninput: () => this.#stepTo(Number(this.#slider.value)) })
  #strip = h('div', { class: 'strip', 'aria-hidden': 'true' })
  #steps = h('span', { class: 'steps', 'data-testid': 'history-steps' })
  #compare = h('select', { 'aria-label': 'Compare with', 'data-testid': 'history-compare', onchange: () => this.#draw(false) })
  #name = this.#button({ class: 'button', 'data-testid': 'history-name-version', onclick: () => this.#askName() }, icon('flag'), 'Name')
  #restore = this.#button({ class: 'button primary', 'data-testid': 'history-restore', onclick: () => this.#askRestore() }, icon('restore'), 'Restore')
  #foot: HTMLElement
  #timeline: Timeline | null = null
  #sessions: Session[] = []
  #versions: Version[] = []
  #shownRows: { row: Row, element: HTMLElement }[] = []
  #at = 0
  #isPlaying = false
  #frame = 0
  #isClosed = false

  constructor (options: HistoryOptions) {
    this.#options = options
    this.#shadow = this.#host.attachShadow({ mode: 'open' })
    const style = new CSSStyleSheet()
    style.replaceSync(STYLE)
    this.#shadow.adoptedStyleSheets = [style]
    const player = h('div', { class: 'player' }, this.#play, this.#back, h('div', { class: 'track' }, this.#strip, this.#slider), this.#forth, this.#steps)
    const compare = h('label', { class: 'compare', title: 'Compare with' }, icon('compare'), this.#compare)
    this.#foot = h('div', { class: 'foot', hidden: true }, player,
      h('div', { class: 'actions' }, compare, this.#mayWrite && this.#name, this.#mayWrite && this.#restore))
    this.#dialog = h('dialog', {
      class: 'panel',
      'aria-labelledby': 'title',
      onclose: () => this.#onClose(),
      onkeydown: (event: KeyboardEvent) => this.#onKey(event)
    },
    h('div', { class: 'head' }, h('h2', { id: 'title' }, 'History'), this.#legend, this.#listButton,
      this.#button({ class: 'icon-button', 'aria-label': 'Close', title: 'Close', 'data-testid': 'history-close', onclick: () => this.close() }, icon('close'))),
    this.#stage, this.#list, this.#foot)
    this.#sheet.addEventListener('pointerover', ({ target }) => this.#tell(target as HTMLElement))
    this.#shadow.append(this.#dialog)
    document.body.append(this.#host)
    this.#dialog.showModal()
    this.#load()
  }

  close (): void { this.#dialog.close() }

  get #mayWrite (): boolean { return this.#options.mayWrite ?? (this.#options.room.access === 'write' || this.#options.room.access === 'admin') }

  #button (attributes: Record<string, unknown>, ...children: (Node | string)[]): HTMLButtonElement {
    return h('button', { type: 'button', ...attributes }, ...children)
  }

  #onClose (): void {
    this.#isClosed = true
    this.#setPlaying(false)
    this.#host.remove()
    this.#options.onClose?.()
  }

  #onKey (event: KeyboardEvent): void {
    if (event.key !== ' ' || event.composedPath()[0] !== this.#slider) return
    event.preventDefault()
    this.#setPlaying(!this.#isPlaying)
  }

  async #load (): Promise<void> {
    const { room: { past }, root } = this.#options
    this.#stage.replaceChildren(h('div', { class: 'skeleton', role: 'status', 'aria-label': 'Loading the history' }, ...Array.from({ length: 6 }, () => h('i'))))
    // The document is shown as soon as it is there, the list when that is.
    const lists = Promise.all([past.activity({ limit: SESSIONS_MAX }), past.versions()])
    lists.catch(() => {})
    try {
      const replay = await past.replay({ root })
      if (this.#isClosed) return
      this.#start(new Timeline(replay))
      const [{ sessions }, versions] = await lists
      if (this.#isClosed) return
      this.#sessions = sessions
      this.#versions = versions
      this.#drawRows()
    } catch (error) {
      if (!this.#isClosed) this.#showFailure(error as Error & { code?: string })
    }
  }

  #showFailure ({ code, message }: Error & { code?: string }): void {
    this.#foot.hidden = true
    const show = (title: string, text: string, ...actions: Node[]) => {
      this.#stage.replaceChildren(h('div', { class: 'card', role: 'alert' }, h('h2', {}, title), h('p', {}, text), ...actions))
    }
    // Nobody has written to the room, or to this root of its document.
    if (code === 'room_not_found' || code === 'root_not_found') show('No history yet', 'It begins with the first word that is written.')
    else if (code === 'too_costly') show('This history is too long to be shown', message)
    else show('The history cannot be shown now', message, this.#button({ class: 'button primary', onclick: () => { this.#load() } }, 'Try again'))
  }

  #start (timeline: Timeline): void {
    this.#timeline = timeline
    this.#colour(timeline)
    this.#sheet.classList.toggle('is-text', !timeline.isXml)
    this.#stage.replaceChildren(this.#caption, this.#sheet)
    this.#slider.max = String(timeline.count)
    this.#foot.hidden = false
    this.#drawRows()
    this.#goTo(timeline.count, false)
    this.#slider.focus()
  }

  /** Each author in their colour: in the text, in the strip, and in the legend. */
  #colour (timeline: Timeline): void {
    const people = timeline.authors.map((user) => this.#personOf(user))
    const colours = new CSSStyleSheet()
    colours.replaceSync(people.map(({ colour }, number) => `.by-${number} { --who: ${colour}; }`).join('\n'))
    this.#shadow.adoptedStyleSheets = [this.#shadow.adoptedStyleSheets[0]!, colours]
    const more = people.length - LEGEND_MAX
    this.#legend.replaceChildren(...people.slice(0, LEGEND_MAX).map(({ name }, number) =>
      h('li', {}, h('span', { class: `dot by-${number}` }), name)), ...more > 0 ? [h('li', {}, `+${more}`)] : [])
    const parts = strip(timeline, STRIP_PARTS)
    const stops = parts.map((number, i) => `${people[number]?.colour} ${i / parts.length * 100}% ${(i + 1) / parts.length * 100}%`)
    if (stops.length > 0) this.#strip.style.background = `linear-gradient(to right, ${stops.join(', ')})`
  }

  #personOf (user: string): { name: string, colour: string } {
    const { name, colour } = this.#options.personOf?.(user) ?? { name: user, colour: '' }
    let sum = 0
    for (const char of user) sum = (sum * 31 + char.codePointAt(0)!) >>> 0
    // It becomes part of a style.
    return { name, colour: /^#[0-9a-f]{6}$/i.test(colour) ? colour : COLOURS[sum % COLOURS.length]! }
  }

  /** Somebody went there, which ends playing. */
  #stepTo (edit: number): void {
    this.#setPlaying(false)
    this.#goTo(edit)
  }

  /** Shows the document after an edit. `follows`: brings what changed into view. */
  #goTo (edit: number, follows = true): void {
    const { count } = this.#timeline!
    const before = this.#at
    this.#at = Math.min(Math.max(edit, 0), count)
    this.#slider.value = String(this.#at)
    cancelAnimationFrame(this.#frame)
    if (this.#isPlaying) return this.#draw(follows)
    this.#frame = requestAnimationFrame(() => this.#draw(follows && Math.abs(this.#at - before) <= 1))
  }

  #draw (follows: boolean): void {
    const timeline = this.#timeline!
    const [at, { count }] = [this.#at, timeline]
    const other = this.#compare.value === '' ? null : Number(this.#compare.value)
    const [before, after] = other === null ? [null, at] : [Math.min(other, at), Math.max(other, at)]
    const blocks = blocksOf(timeline, after, before)
    this.#sheet.classList.toggle('is-compared', before !== null)
    const changed = this.#page.show(blocks.length === 1 && blocks[0]!.children.length === 0 ? [] : blocks)
    if (follows) changed?.scrollIntoView({ block: 'nearest' })

    const moment = at === 0 ? 'Before the first word' : momentOf(timeline.timeOf(at))
    const editor = at > 0 ? this.#personOf(timeline.editorOf(at)!).name : ''
    const step = `${countOf(at)} of ${countOf(count)}`
    this.#slider.setAttribute('aria-valuetext', [moment, editor, `step ${step}`].filter(Boolean).join(', '))
    this.#steps.textContent = step.replace(' of ', ' / ')
    this.#caption.replaceChildren(...before === null ? [h('b', {}, moment), editor && ` · ${editor}`, at === count ? ' · now' : ''] : this.#differences(blocks, before, after))
    this.#back.disabled = at === 0
    this.#forth.disabled = at === count
    this.#restore.disabled = at === count
    this.#name.disabled = at === 0
    for (const { row, element } of this.#shownRows) {
      element.classList.toggle('is-current', row.edit === at)
      if (row.edit === at) element.firstElementChild!.setAttribute('aria-current', 'true')
      else element.firstElementChild!.removeAttribute('aria-current')
    }
  }

  #differences (blocks: readonly Block[], before: number, after: number): (Node | string)[] {
    const counts = { after: 0, before: 0, both: 0 }
    const count = (block: Block): void => {
      for (const part of block.children) {
        if (!isRun(part)) count(part)
        else if (!part.object) counts[part.presence] += part.text.length
      }
    }
    blocks.forEach(count)
    const name = (edit: number) => edit === 0 ? 'the beginning' : edit === this.#timeline!.count ? 'now' : momentWithin(this.#timeline!.timeOf(edit))
    const amounts = [
      counts.after > 0 && h('span', { class: 'came' }, `+${charactersOf(counts.after)}`), counts.before > 0 && h('span', { class: 'went' }, `−${charactersOf(counts.before)}`)
    ]
    return [h('b', {}, `From ${name(before)} to ${name(after)}`), ...amounts.filter((amount) => amount !== false).flatMap((amount) => [' · ', amount])]
  }

  /** Who wrote what one points at, and when. */
  #tell (element: HTMLElement): void {
    const unit = element.dataset?.unit
    if (unit === undefined || element.title) return
    const { inserted, deleted, by, authors } = this.#timeline!
    const timeline = this.#timeline!
    const told = [`${this.#personOf(authors[by[Number(unit)]!]!).name}, ${momentOf(timeline.timeOf(inserted[Number(unit)]!))}`]
    const gone = deleted[Number(unit)]!
    if (element.tagName === 'DEL' && gone > 0) told.push(`deleted by ${this.#personOf(timeline.editorOf(gone)!).name}, ${momentOf(timeline.timeOf(gone))}`)
    element.title = told.join('\n')
  }

  #setPlaying (isPlaying: boolean): void {
    if (this.#isPlaying === isPlaying) return
    this.#isPlaying = isPlaying
    const label = isPlaying ? 'Pause' : 'Play'
    this.#play.replaceChildren(icon(isPlaying ? 'pause' : 'play'))
    this.#play.setAttribute('aria-label', label)
    this.#play.title = label
    if (!isPlaying) return
    const { count } = this.#timeline!
    const from = this.#at === count ? 0 : this.#at
    const stepMs = Math.min(STEP_MS, PLAY_MS_MAX / count)
    const begunMs = performance.now()
    const next = (nowMs: number) => {
      if (!this.#isPlaying) return
      const edit = Math.min(from + Math.max(Math.floor((nowMs - begunMs) / stepMs), 0), count)
      if (edit !== this.#at) this.#goTo(edit)
      if (edit === count) return this.#setPlaying(false)
      requestAnimationFrame(next)
    }
    requestAnimationFrame(next)
  }

  #showList (isOpen = !this.#list.classList.contains('is-open')): void {
    this.#list.classList.toggle('is-open', isOpen)
    this.#listButton.setAttribute('aria-expanded', String(isOpen))
  }

  #drawRows (): void {
    const timeline = this.#timeline!
    const rows = rowsOf(timeline, this.#sessions, this.#versions)
    this.#shownRows = rows.map((row) => ({ row, element: this.#rowElement(row) }))
    const elements: Node[] = []
    let day = ''
    for (const { row, element } of this.#shownRows) {
      const own = dayOf(row.toMs)
      if (own !== day) elements.push(h('li', {}, h('h3', {}, own)))
      day = own
      elements.push(element)
    }
    this.#rows.replaceChildren(...elements)
    const option = (edit: number | '', label: string) => h('option', { value: edit, selected: String(edit) === this.#compare.value }, label)
    const moments = rows.map((row) => option(row.edit, row.label ?? `${dayOf(row.toMs)}, ${spanOf(row.fromMs, row.toMs)}`))
    this.#compare.replaceChildren(option('', 'Compare…'), option(timeline.count, 'Now'), option(0, 'The beginning'), ...moments)
    const pins = rows.filter(({ kind }) => kind === 'version').map(({ edit, label }) => {
      const pin = h('span', { class: 'pin', title: label })
      pin.style.left = `${edit / Math.max(timeline.count, 1) * 100}%`
      return pin
    })
    this.#strip.replaceChildren(...pins)
    this.#draw(false)
  }

  #rowElement (row: Row): HTMLElement {
    const { kind, edit, fromMs, toMs, users, label, inserted, deleted } = row
    const numbers = new Map(this.#timeline!.authors.map((user, number) => [user, number]))
    const people = users.slice(0, 4).map((user) => h('span', {},
      h('span', { class: `dot by-${numbers.get(user) ?? ''}`, '--who': this.#personOf(user).colour }), this.#personOf(user).name))
    const title = kind === 'version'
      ? [icon('flag'), h('span', { class: 'row-label' }, label!)]
      : [spanOf(fromMs, toMs)]
    const amounts = [
      inserted > 0 && h('span', { class: 'came' }, `+${countOf(inserted)}`), deleted > 0 && h('span', { class: 'went' }, `−${countOf(deleted)}`)
    ]
    const go = this.#button({
      class: 'go',
      'data-testid': 'history-row',
      'data-kind': kind,
      onclick: () => {
        this.#stepTo(edit)
        this.#showList(false)
      }
    }, h('span', { class: 'row-title' }, ...title), h('span', { class: 'row-people' }, kind === 'version' ? momentOf(toMs) : '', ...people, ...amounts))
    const rename = kind === 'version' && this.#mayWrite &&
      this.#button({ class: 'icon-button', 'aria-label': `Rename ${label}`, title: 'Rename', onclick: () => { this.#askRename(row) } }, icon('pen'))
    return h('li', { class: 'row' }, go, rename)
  }

  async #readVersions (): Promise<void> {
    this.#versions = await this.#options.room.past.versions()
    this.#drawRows()
  }

  async #askName (): Promise<void> {
    const { past } = this.#options.room
    this.#setPlaying(false)
    const [timeline, at] = [this.#timeline!, this.#at]
    await ask(this.#shadow, {
      title: 'Name this version',
      text: `The document as it was on ${fullMomentOf(timeline.timeOf(at))}.`,
      name: '',
      confirm: 'Name it',
      act: async (label) => {
        await past.nameVersion({ seq: timeline.seqOf(at), label })
        await this.#readVersions()
      }
    })
  }

  async #askRename ({ seq, label }: Row): Promise<void> {
    const { past } = this.#options.room
    const key = { seq, label: label! }
    await ask(this.#shadow, {
      title: 'Rename this version',
      name: label!,
      confirm: 'Rename',
      act: async (newLabel) => {
        if (newLabel !== label) await past.changeVersion(key, { label: newLabel })
        await this.#readVersions()
      },
      other: {
        label: 'Remove the name',
        act: async () => {
          await past.removeVersion(key)
          await this.#readVersions()
        }
      }
    })
  }

  async #askRestore (): Promise<void> {
    const { past } = this.#options.room
    this.#setPlaying(false)
    const [timeline, at] = [this.#timeline!, this.#at]
    const to = timeline.seqOf(at)
    // Sent again with the same key, where nobody knows whether it was done, it is done once.
    const key = `history-${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`
    let restored: Restored | null = null
    await ask(this.#shadow, {
      title: 'Restore this version?',
      text: `Everybody will see the document as it was ${at === 0 ? 'before the first word' : `on ${fullMomentOf(timeline.timeOf(at))}`}. What it is now stays in the history, so you can come back to it.`,
      note: past.restore(to, { dryRun: true }).then(({ inserted, deleted }) => `${charactersOf(inserted)} will come back, ${charactersOf(deleted)} will go.`),
      confirm: 'Restore',
      act: async () => { restored = await past.restore(to, { key }) }
    })
    if (!restored || this.#isClosed) return
    this.close()
    this.#options.onRestored?.(restored)
  }
}
