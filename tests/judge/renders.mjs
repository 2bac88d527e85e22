// What Yjs 13 and y-prosemirror show of a document, in the words of the server's views. Where a view differs on purpose, Yjs is made to
// answer so; each such place says why.

import { createRequire } from 'node:module'

const require = createRequire(new URL('../clients/package.json', import.meta.url))
const Y = require('yjs')
const { yXmlFragmentToProsemirrorJSON } = require('y-prosemirror')

/** Numbers that are no JavaScript numbers, and halves of pairs: as both sides can write them. Keeps the order of keys. */
export const canonical = (json) => JSON.stringify(JSON.parse(json.replace(/(?<=[[:,])(-?\d{16,})(?=[,\]}])/g, '"whole $1"')), (_, value) => (typeof value === 'string' ? value.toWellFormed() : value))

/** A value as JSON. */
function json (value) {
  if (value === undefined || value === null) return 'null'
  if (typeof value === 'bigint') return `${value}`
  // JSON.stringify makes an object of it, with indexes as keys.
  if (value instanceof Uint8Array) return `[${value}]`
  if (value instanceof Y.Doc) return JSON.stringify(value.guid)
  if (value instanceof Y.Map) return members([...value._map.keys()].filter((key) => value.has(key)).map((key) => [key, value.get(key)]))
  if (value instanceof Y.Array) return json(value.toArray())
  if (value instanceof Y.Text || value instanceof Y.XmlFragment) return JSON.stringify(asText(value))
  if (Array.isArray(value)) return `[${value.map(json)}]`
  if (typeof value === 'object') return members(Object.entries(value))
  return JSON.stringify(value)
}
const members = (entries) => `{${entries.filter(([, value]) => value !== undefined).map(([key, value]) => `${JSON.stringify(key)}:${json(value)}`)}}`

const isXml = (value) => value instanceof Y.XmlFragment || value instanceof Y.XmlText || value instanceof Y.XmlHook
const isObject = (value) => value !== null && typeof value === 'object'

const toDelta = Y.XmlText.prototype.toDelta
const hookText = Y.XmlHook.prototype.toString
/** Runs `what` while `toDelta` of XML texts leaves embeds out, which Yjs writes as [object Object]. */
function without (attributesOf, what) {
  Y.XmlText.prototype.toDelta = function () {
    return toDelta.call(this).filter(({ insert }) => typeof insert === 'string' || insert instanceof Y.XmlText || insert instanceof Y.XmlElement || insert instanceof Y.Text)
      .map((op) => (op.attributes ? { ...op, attributes: attributesOf(op.attributes) } : op))
  }
  // Yjs: [object Object].
  Y.XmlHook.prototype.toString = function () { return `<${this.hookName}></${this.hookName}>` }
  try {
    return what()
  } finally {
    Y.XmlText.prototype.toDelta = toDelta
    Y.XmlHook.prototype.toString = hookText
  }
}
/** Of a format that is a string Yjs makes an attribute of each letter; lists and objects in attributes stand there as JSON in a view. */
const tagAttributes = (attributes) => Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, !isObject(value) || Array.isArray(value)
  ? true
  : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, isObject(inner) ? JSON.stringify(inner) : inner]))]))
const asText = (type) => without(tagAttributes, () => type.toString())

/** The text of a root: XML within it is shown, which Yjs leaves out. */
function rootText (type) {
  if (type instanceof Y.XmlFragment) return asText(type)
  return toDelta.call(type).map(({ insert }) => (typeof insert === 'string' ? insert : isXml(insert) ? asText(insert) : '')).join('')
}

function delta (type) {
  return `[${toDelta.call(type).map(({ insert, attributes }) => `{"insert":${json(insert)}${attributes ? `,"attributes":${json(attributes)}` : ''}}`)}]`
}

function hasHook (type) {
  return type.toArray().some((child) => child instanceof Y.XmlHook || (child instanceof Y.XmlFragment && hasHook(child)))
}
function prosemirror (type) {
  // y-prosemirror throws.
  if (hasHook(type)) return undefined
  const document = without((attributes) => attributes, () => yXmlFragmentToProsemirrorJSON(type))
  document.content = document.content.flat()
  const listed = (node) => ({
    type: node.type,
    ...(node.text === undefined ? {} : { text: node.text }),
    // Attributes of a mark that has none, ProseMirror's own JSON leaves out.
    ...(node.marks ? { marks: node.marks.map(({ type, attrs }) => (JSON.stringify(attrs) === '{}' ? { type } : { type, attrs })) } : {}),
    ...(node.attrs ? { attrs: node.attrs } : {}),
    ...(node.content ? { content: node.content.map(listed) } : {}),
  })
  return json(listed(document))
}

/** What a type holds in order, by ids, deleted or not: runs that say nothing else are one. */
function items (type) {
  const found = []
  const add = (item, key) => {
    const last = found.at(-1)
    const { client, clock } = item.id
    const children = item.content instanceof Y.ContentType ? items(item.content.type) : undefined
    if (last && last.client === client && last.clock + last.len === clock && last.deleted === item.deleted && last.key === key && !children && !last.children) last.len += item.length
    else found.push({ client, clock, len: item.length, deleted: item.deleted, key, children })
  }
  for (let item = type._start; item !== null; item = item.right) add(item)
  type._map.forEach((item, key) => {
    const chain = []
    for (let at = item; at !== null; at = at.left) chain.unshift(at)
    chain.forEach((at) => add(at, key))
  })
  return found
}

/** The kind that a view takes a root for. */
function told (type) {
  const live = []
  for (let item = type._start; item !== null; item = item.right) if (!item.deleted) live.push(item.content)
  if (type._start === null) return 'map'
  if (live.length === 0) return 'empty'
  if (live.some((content) => content instanceof Y.ContentString || content instanceof Y.ContentFormat || content instanceof Y.ContentEmbed)) return 'text'
  return live.every((content) => content instanceof Y.ContentType && isXml(content.type)) ? 'xml' : 'list'
}
const kindOf = (type) => (type instanceof Y.Map ? 'map' : type instanceof Y.Array ? 'list' : type instanceof Y.XmlFragment ? 'xml' : 'text')

/**
 * What is expected of a view of `update`, by root. What cannot be told (a text that holds nothing but maps may be an array) is left
 * out.
 */
export function expected (update, roots) {
  const doc = new Y.Doc({ gc: false })
  Y.applyUpdate(doc, update)
  const shared = [...doc.share.keys()].sort()
  const found = {}
  for (const [name, kind] of roots) {
    if (!shared.includes(name)) continue
    const type = doc.get(name, kind)
    const sure = told(type) === kindOf(type)
    const plain = kindOf(type) === 'text' ? JSON.stringify(rootText(type)) : json(type)
    const attributes = kindOf(type) !== 'list' ? [] : [...type._map].filter(([, item]) => !item.deleted).map(([key]) => [key, type.getAttribute(key)])
    found[name] = {
      json: sure ? canonical(attributes.length ? `{"attributes":${members(attributes)},"content":${plain}}` : plain) : undefined,
      text: sure && (kindOf(type) === 'text' || kindOf(type) === 'xml') ? rootText(type).toWellFormed() : undefined,
      delta: kindOf(type) === 'text' ? canonical(delta(type)) : undefined,
      prosemirror: kindOf(type) === 'xml' ? prosemirror(type) : undefined,
      items: JSON.stringify(items(type)),
    }
    if (found[name].prosemirror) found[name].prosemirror = canonical(found[name].prosemirror)
  }
  return found
}

/** What a view shows, in the same words. */
export function given (answer) {
  const found = {}
  for (const [name, root] of Object.entries(answer.roots)) {
    found[name] = {
      json: canonical(root.json),
      text: root.text,
      delta: canonical(root.delta),
      prosemirror: canonical(root.prosemirror),
      items: root.items,
    }
  }
  return found
}

/** The first difference, if there is one. */
export function difference (expected, given) {
  if (Object.keys(expected).sort().join() !== Object.keys(given).join()) return { roots: Object.keys(expected), given: Object.keys(given) }
  for (const [name, root] of Object.entries(expected)) {
    for (const [what, value] of Object.entries(root)) {
      if (value !== undefined && value !== given[name][what]) return { name, what, expected: value, given: given[name][what] }
    }
  }
  return null
}
