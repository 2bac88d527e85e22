// Somebody who types anything that Yjs can write, by chance, and what a document of Yjs then shows.

/** Numbers that are the same each time: mulberry32. */
export function chance (seed) {
  let state = seed >>> 0 || 1
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (n) => Math.floor(random() * n)
  return { random, below, one: (list) => list[below(list.length)] }
}

/** Types with the release `Y` of Yjs, `bigints` if it takes them. */
export function typist (Y, { random, below, one }, bigints = true) {
  const WORDS = ['a', 'bc', 'def ', 'ü', '😀', 'x😀y', '日本', '\n', '👩‍👩‍👧', 'longer words that are worth a cut ']
  const values = () => one([
    () => below(100), () => -below(1e6), () => random(), () => 1795879966678, () => 2 ** 40, () => bigints ? 5n : 5, () => bigints ? 9007199254740993n : 2 ** 51, () => true, () => null,
    () => undefined, () => 'text 😀', () => ({ z: 1, a: [1, { b: null }], m: 'x' }), () => [1, 'two', [3]], () => new Uint8Array([1, 2, 3]), () => -0, () => 1e300,
  ])()
  const nested = () => one([
    () => new Y.Map([['k', below(5)], ['l', 'v']]), () => new Y.Array(), () => new Y.Text('in😀side'), () => new Y.XmlElement('p'), () => new Y.XmlText('xml'), () => new Y.Doc({ guid: `sub${below(1e6)}` }),
  ])()

  const isType = (value, kind) => value instanceof kind
  function someType (types, kind) {
    const found = [...types].filter((type) => isType(type, kind))
    return found.length ? one(found) : null
  }

  /** All shared types of a document that are still in it. */
  function typesOf (doc) {
    const found = []
    const visit = (type) => {
      found.push(type)
      type._map.forEach((item) => { if (!item.deleted && item.content instanceof Y.ContentType) visit(item.content.type) })
      for (let item = type._start; item !== null; item = item.right) if (!item.deleted && item.content instanceof Y.ContentType) visit(item.content.type)
    }
    for (const [name, kind] of ROOTS) visit(doc.get(name, kind))
    return found
  }
  const ROOTS = [['text', Y.Text], ['list', Y.Array], ['map', Y.Map], ['xml', Y.XmlFragment], ['rich', Y.XmlText]]

  function type (person) {
    const { doc } = person
    const types = typesOf(doc)
    switch (below(14)) {
      case 0: case 1: case 2: {
        const text = someType(types, Y.Text)
        if (text) text.insert(below(text.length + 1), one(WORDS))
        break
      }
      case 3: {
        const text = one([doc.get('text', Y.Text), someType(types, Y.Text)])
        let at = below(text.length + 1)
        for (let i = 0; i < 6; i++) { text.insert(Math.min(at, text.length), 'typed'[i % 5]); at++ }
        break
      }
      case 4: case 5: {
        const text = someType(types, Y.Text)
        if (text.length) { const at = below(text.length); text.delete(at, Math.min(text.length - at, 1 + below(one([3, 3, 40])))) }
        break
      }
      case 6: {
        const text = someType(types, Y.Text)
        if (text.length) { const at = below(text.length); text.format(at, Math.min(text.length - at, 1 + below(5)), one([{ bold: true }, { bold: null }, { link: 'half 😀'.slice(0, 6) }, { size: 1e19, deep: { a: [1] } }])) }
        break
      }
      case 7: {
        const text = someType(types, Y.Text)
        text.insertEmbed(below(text.length + 1), one([{ image: 'x.png', alt: 'A 😀'.slice(0, 3) }, { n: 1e19 }, new Y.Map([['in', 'embed']])]))
        break
      }
      case 8: {
        const list = someType(types, Y.Array)
        if (list) { if (random() < 0.7) list.insert(below(list.length + 1), random() < 0.6 ? Array.from({ length: 1 + below(4) }, () => { const value = values(); return value === undefined || typeof value === 'bigint' ? [value] : value }) : [nested()]); else if (list.length) { const at = below(list.length); list.delete(at, Math.min(list.length - at, 1 + below(3))) } }
        break
      }
      case 9: case 10: {
        const map = someType(types, Y.Map)
        const key = `k${below(3)}`
        if (random() < 0.75) map.set(key, random() < 0.7 ? values() : nested()); else map.delete(key)
        break
      }
      case 11: {
        const parents = types.filter((t) => t instanceof Y.XmlFragment)
        const parent = one(parents)
        if (random() < 0.7) parent.insert(below(parent.length + 1), [random() < 0.5 ? new Y.XmlElement(one(['p', 'h1'])) : random() < 0.9 ? new Y.XmlText('hey 😀') : new Y.XmlHook('hook')])
        else if (parent.length) parent.delete(below(parent.length), 1)
        break
      }
      case 12: {
        const element = someType(types, Y.XmlElement)
        if (element) { if (random() < 0.8) element.setAttribute(one(['class', 'id']), one(['x', 'y', 5])); else element.removeAttribute('class') } else doc.get('rich', Y.XmlText).setAttribute('__dir', 'ltr')
        break
      }
      case 13: if (random() < 0.6) person.undo.undo(); else person.undo.redo()
    }
  }

  const plain = (value) => {
    if (typeof value === 'bigint') return `${value}n`
    if (value === undefined) return 'undefined'
    // Half a surrogate pair in a mark or an embed does not survive a client that held it back: it holds updates in v2 encoding.
    if (typeof value === 'string') return value.toWellFormed()
    if (Object.is(value, -0)) return '-0'
    if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('base64')}`
    if (value instanceof Y.Doc) return `document ${value.guid}`
    if (value instanceof Y.AbstractType) return shown(value)
    if (Array.isArray(value)) return value.map(plain)
    // Entries keep the order of their keys, which are the client's.
    if (value && typeof value === 'object') return { entries: Object.entries(value).map(([k, v]) => [k, plain(v)]) }
    return value
  }
  /** Yjs splits a surrogate pair into two U+FFFD wherever anybody looks between its halves, also where that makes no edit. */
  const halved = (text) => text.replace(/[\ud800-\udfff]/g, '\ufffd')
  function shown (type) {
    const attributes = {}
    for (const [key, item] of [...type._map].sort(([a], [b]) => (a < b ? -1 : 1))) if (!item.deleted) attributes[key] = plain(item.content.getContent()[item.length - 1])
    const list = []
    // Whoever looks at a text may take out marks that change nothing, so what they make of it is compared.
    const formats = new Map()
    const add = (text) => {
      const marks = JSON.stringify([...formats].sort(([a], [b]) => (a < b ? -1 : 1)))
      if (list.at(-1)?.marks === marks) list.at(-1).text += text; else list.push({ text, marks })
    }
    for (let item = type._start; item !== null; item = item.right) {
      if (item.deleted) continue
      if (item.content instanceof Y.ContentFormat) { if (item.content.value === null) formats.delete(item.content.key); else formats.set(item.content.key, plain(item.content.value)) } else if (item.content instanceof Y.ContentString) add(halved(item.content.str))
      else for (const value of item.content.getContent()) list.push(plain(value))
    }
    return { kind: type.constructor.name, name: type.nodeName ?? type.hookName, attributes, list }
  }
  const show = (doc) => JSON.stringify(ROOTS.map(([name, kind]) => shown(doc.get(name, kind))))

  return { roots: ROOTS, type, show }
}
