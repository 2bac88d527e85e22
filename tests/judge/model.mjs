// What a document of Yjs shows, as plain objects, and what the server's differences make of it.

/** A unit of a list: a letter, a value or embed, or a shared type; with its id and formats. */
export function models (Y) {
  const KINDS = new Map([[Y.Text, 'text'], [Y.Array, 'array'], [Y.Map, 'map'], [Y.XmlElement, 'element'], [Y.XmlFragment, 'fragment'], [Y.XmlHook, 'hook'], [Y.XmlText, 'xmlText']])

  /** A value as JSON has it. Half a surrogate pair is U+FFFD. */
  function json (value) {
    if (typeof value === 'bigint') return Number(value)
    if (value === undefined || value === null) return null
    if (Object.is(value, -0)) return 0
    if (typeof value === 'string') return value.toWellFormed()
    if (value instanceof Uint8Array) return [...value]
    if (value instanceof Y.Doc) return value.guid
    if (Array.isArray(value)) return value.map(json)
    if (typeof value === 'object') return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined).map(([k, v]) => [k, json(v)]))
    return value
  }

  function modelOf (type) {
    const keys = {}
    for (const [key, item] of type._map) {
      if (item.deleted || item.content instanceof Y.ContentFormat) continue
      const value = item.content.getContent()[item.length - 1]
      if (value instanceof Y.AbstractType) keys[key] = modelOf(value)
      else if (value !== undefined) keys[key] = { value: json(value) }
    }
    const list = []
    const formats = {}
    for (let item = type._start; item !== null; item = item.right) {
      if (item.deleted) continue
      if (item.content instanceof Y.ContentFormat) {
        setFormat(formats, item.content.key, json(item.content.value))
        continue
      }
      const units = item.content instanceof Y.ContentString ? [...halves(item.content.str)] : item.content.getContent()
      units.forEach((unit, i) => {
        const id = `${item.id.client}:${item.id.clock + i}`
        const what = item.content instanceof Y.ContentString ? { letter: unit } : unit instanceof Y.AbstractType ? { type: modelOf(unit) } : { value: json(unit) }
        list.push({ ...what, id, formats: { ...formats } })
      })
    }
    return { kind: KINDS.get(type.constructor), name: type.nodeName ?? type.hookName, keys, list }
  }
  return { modelOf }
}

const halved = (text) => text.replace(/[\ud800-\udfff]/g, '\ufffd')
const halves = (text) => halved(text).split('')

function setFormat (formats, key, value) {
  if (value === null) delete formats[key]
  else formats[key] = value
}

const sorted = (value) => value && typeof value === 'object' && !Array.isArray(value)
  ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]))
  : Array.isArray(value) ? value.map(sorted) : value
const same = (one, other) => JSON.stringify(sorted(one)) === JSON.stringify(sorted(other))

/** Without ids and formats: what a model says. */
const said = ({ kind, name, keys, list }) => ({
  kind, name, keys: Object.fromEntries(Object.entries(keys).map(([key, value]) => [key, 'kind' in value ? said(value) : value.value])),
  list: list.map((unit) => 'letter' in unit ? { letter: unit.letter } : 'type' in unit ? said(unit.type) : { value: unit.value })
})

/** What a shared type was that is gone, as the operations that deleted it tell. */
function was ({ kind, name, ops = [], keys = {} }) {
  const list = ops.flatMap(({ delete: count, text, values, type }) => {
    const units = text !== undefined ? halves(text).map((letter) => ({ letter })) : values !== undefined ? values.map((value) => ({ value })) : [{ type: was(type) }]
    if (units.length !== count) throw new Error('a deletion of another length')
    return units
  })
  return { kind, name, keys: Object.fromEntries(Object.entries(keys).map(([key, { from, type }]) => [key, type ? was(type) : { value: from }])), list }
}

/** Applies what the server says; throws if it is about something else. `stamp` looks at who did what. */
export function applied (model, { ops = [], keys = {} }, stamp) {
  const list = []
  const formatsOf = (formats, attributes = {}) => {
    const now = { ...formats }
    for (const [key, value] of Object.entries(attributes)) setFormat(now, key, value)
    return now
  }
  let at = 0
  const old = (count) => {
    if (at + count > model.list.length) throw new Error('an operation behind the end')
    return model.list.slice(at, at += count)
  }
  for (const op of ops) {
    if (op.attributes || op.retain === undefined && op.modify === undefined) stamp(op)
    if (op.retain !== undefined) {
      list.push(...old(op.retain).map((unit) => ({ ...unit, formats: formatsOf(unit.formats, op.attributes) })))
    } else if (op.modify) {
      const [unit] = old(1)
      list.push({ ...unit, type: applied(unit.type, op.modify, stamp), formats: formatsOf(unit.formats, op.attributes) })
    } else if (op.create) {
      list.push({ type: created(op.create, stamp), formats: formatsOf({}, op.attributes) })
    } else if (op.insert !== undefined) {
      const units = typeof op.insert === 'string' ? halves(op.insert).map((letter) => ({ letter })) : Array.isArray(op.insert) ? op.insert.map((value) => ({ value })) : [{ value: op.insert }]
      list.push(...units.map((unit) => ({ ...unit, formats: formatsOf({}, op.attributes) })))
    } else {
      const gone = { kind: 'gone', keys: {}, list: old(op.delete) }
      if (!same(said(gone), said(was({ kind: 'gone', ops: [op] })))) throw new Error(`what was not there is deleted: ${JSON.stringify(op)}`)
      for (const inner of op.type?.ops ?? []) stamp(inner)
    }
  }
  list.push(...model.list.slice(at))
  const entries = { ...model.keys }
  for (const [key, change] of Object.entries(keys)) {
    const { from, to, type, create, modify } = change
    if (modify) {
      entries[key] = applied(entries[key], modify, stamp)
      continue
    }
    stamp(change)
    const before = entries[key] && ('kind' in entries[key] ? said(entries[key]) : entries[key].value)
    const told = type ? said(was(type)) : from
    if (!same(before ?? 'nothing', told ?? 'nothing') && !(before === null && told === null)) throw new Error(`a key had another value: ${key}`)
    if (create) entries[key] = created(create, stamp)
    else if ('to' in change) entries[key] = { value: to }
    else delete entries[key]
  }
  return { ...model, keys: entries, list }
}

const created = (shared, stamp) => applied({ kind: shared.kind, name: shared.name, keys: {}, list: [] }, shared, stamp)

/** Why what came of `old` is not `wanted`; null if it is. What was there before must have been kept, and nothing else. */
export function apart (old, made, wanted) {
  const known = new Set()
  const note = (model) => {
    for (const unit of model.list) {
      known.add(unit.id)
      if (unit.type) note(unit.type)
    }
    for (const value of Object.values(model.keys)) if ('kind' in value) note(value)
  }
  note(old)
  const compare = (made, wanted, isRoot) => {
    if (!isRoot && (made.kind !== wanted.kind || made.name !== wanted.name)) return `a ${made.kind} ${made.name} is a ${wanted.kind} ${wanted.name}`
    const [mine, theirs] = [made, wanted].map(({ keys }) => Object.keys(keys).sort())
    if (!same(mine, theirs)) return `keys ${mine} are ${theirs}`
    for (const key of mine) {
      const [one, other] = [made.keys[key], wanted.keys[key]]
      const found = 'kind' in one && 'kind' in other ? compare(one, other) : same(one, other) ? null : `the value of ${key}`
      if (found) return found
    }
    if (made.list.length !== wanted.list.length) return `${made.list.length} units are ${wanted.list.length}`
    for (const [i, one] of made.list.entries()) {
      const other = wanted.list[i]
      if (one.id ? one.id !== other.id : known.has(other.id)) return `unit ${i} is not the one that it was`
      if (!same(one.formats, other.formats)) return `formats of unit ${i}: ${JSON.stringify(one.formats)} are ${JSON.stringify(other.formats)}`
      const found = one.type && other.type ? compare(one.type, other.type) : same({ letter: one.letter, value: one.value }, { letter: other.letter, value: other.value }) && !one.type === !other.type ? null : `unit ${i}: ${JSON.stringify(one)} is ${JSON.stringify(other)}`
      if (found) return found
    }
    return null
  }
  return compare(made, wanted, true)
}
