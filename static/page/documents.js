// The list of documents: opening one, finding one by its name, starting a new one. Going to another document is a plain link, so that
// the browser's own history, tabs and warnings work as people know them.

import { byTestId, h, icon } from './element.js'
import { randomDocumentName, slugify } from './names.js'
import { ago, fullTime } from './time.js'

const PAGE_DOCUMENTS = 100
const REFRESH_MS = 15_000
/** An edit is in the list once it is committed. */
const COMMIT_WAIT_MS = 1_000

/** Documents below this belong to the page with the Tiptap editor, whose address begins alike. */
const TIPTAP = 'tiptap/'

export const pathOf = (document) => `${document.startsWith(TIPTAP) ? '/' : '/d/'}${encodeURI(document)}`
/** The document's name without the page that it belongs to. */
const shortName = (document) => document.startsWith(TIPTAP) ? document.slice(TIPTAP.length) : document
export const openDocument = (name) => location.assign(pathOf(name))

/** @param {string} prefix of the page's documents */
export const createNewDocumentButton = (prefix) =>
  byTestId('new-document').addEventListener('click', () => openDocument(prefix + randomDocumentName()))

/** @param {{ current: string, prefix: string, mayCreate: boolean, rest: ReturnType<typeof import('./api.js').restOf> }} options */
export function createDocuments ({ current, prefix, mayCreate, rest }) {
  const panel = byTestId('documents')
  const list = panel.querySelector('.document-list')
  const note = panel.querySelector('.panel-note')
  const more = panel.querySelector('.more')
  const field = document.getElementById('find-document')
  if (!mayCreate) Object.assign(field, { placeholder: 'Search', ariaLabel: 'Search documents' })
  let documents = []
  let pages = 1
  let isAsking = false
  let timer = 0

  const draw = () => {
    const wanted = slugify(field.value)
    const made = prefix + wanted
    const known = documents.some(({ name }) => name === current) ? documents : [{ name: current, updatedAt: null }, ...documents]
    const found = known.filter(({ name }) => name.toLowerCase().includes(wanted))
    list.replaceChildren(...found.map(row))
    if (mayCreate && wanted && !known.some(({ name }) => name === wanted || name === made)) list.append(newRow(made))
  }

  async function refresh () {
    if (isAsking || document.hidden) return
    isAsking = true
    try {
      const loaded = []
      let after = null
      for (let page = 0; page < pages && (page === 0 || after); page++) {
        const answer = await rest.documents(after, PAGE_DOCUMENTS)
        loaded.push(...answer.documents)
        after = answer.next
      }
      documents = loaded.sort((a, b) => Date.parse(b.updatedAt) - Date.parse(a.updatedAt))
      more.hidden = !after
      note.hidden = true
    } catch (error) {
      note.textContent = `The list could not be loaded: ${error.message}`
      note.hidden = false
    } finally {
      isAsking = false
      draw()
    }
  }

  function row ({ name, updatedAt }) {
    const ms = Date.parse(updatedAt)
    return h('li', {},
      h('a', { class: 'document', href: pathOf(name), 'aria-current': name === current && 'page' },
        h('span', { class: 'document-name' }, shortName(name)),
        name.startsWith(TIPTAP) && h('span', { class: 'document-kind' }, 'rich text'),
        updatedAt
          ? h('time', { datetime: updatedAt, title: `Edited ${fullTime(ms)}` }, ago(ms, Date.now()))
          : h('span', { class: 'document-new' }, 'new')))
  }

  const newRow = (name) => h('li', {},
    h('a', { class: 'document document-create', href: pathOf(name) }, icon('plus'), h('span', { class: 'document-name' }, `Create “${shortName(name)}”`)))

  more.addEventListener('click', () => { pages++; refresh() })
  field.addEventListener('input', draw)
  field.form.addEventListener('submit', (event) => {
    event.preventDefault()
    const wanted = slugify(field.value)
    if (!wanted) return
    const isThere = documents.some(({ name }) => name === wanted)
    if (isThere || mayCreate) openDocument(isThere ? wanted : prefix + wanted)
  })
  document.addEventListener('visibilitychange', refresh)
  setInterval(refresh, REFRESH_MS)
  draw()
  refresh()

  return {
    /** The current document was edited: a new one will be in the list. */
    noticeEdit () {
      if (documents.some(({ name }) => name === current)) return
      timer ||= setTimeout(() => {
        timer = 0
        refresh()
      }, COMMIT_WAIT_MS)
    }
  }
}
