// The documents as a reader uses them: links lead somewhere, and settings that are named exist.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file) => readFileSync(join(root, file), 'utf8')
const documents = ['.', 'docs', 'examples', 'npm', 'static/client', 'tests/data']
  .flatMap((folder) => readdirSync(join(root, folder)).filter((name) => name.endsWith('.md')).map((name) => join(folder, name)))

/** Without what is code: a link in it is none. */
const prose = (text) => text.replace(/^```.*?^```/gms, '').replace(/`[^`\n]*`/g, '')

/** As GitHub names headings. */
function anchors(text) {
  const headings = text.replace(/^```.*?^```/gms, '').matchAll(/^#+ (.*)$/gm)
  return new Set([...headings].map(([, title]) => title.toLowerCase().replace(/[^\p{L}\p{N}\p{M} _-]/gu, '').replaceAll(' ', '-')))
}

test('every link in a document leads to a file, and to a heading that is there', () => {
  const broken = []
  for (const file of documents) {
    const text = read(file)
    const targets = [...prose(text).matchAll(/\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"/g)].map(([, link, image]) => link ?? image)
    for (const target of targets) {
      if (/^https?:/.test(target)) continue
      const [path, anchor] = target.split('#')
      const found = path === '' ? file : relative(root, join(root, dirname(file), path))
      if (!existsSync(join(root, found))) broken.push(`${file}: ${target}`)
      else if (anchor && !anchors(read(found)).has(anchor)) broken.push(`${file}: ${target}`)
    }
  }
  assert.deepEqual(broken, [])
})

test('every setting that a document names is in .env.example, or one of the scripts', () => {
  const names = (text) => text.match(/TUTTI_[A-Z0-9_]+(?![A-Z0-9_…*])/g) ?? []
  const scripts = readdirSync(join(root, 'scripts')).map((name) => read(join('scripts', name)))
  const known = new Set([read('.env.example'), read('compose.yaml'), ...scripts].flatMap(names))
  // Of the commands that ask a server, of the example's own back end, and of these tests.
  known.add('TUTTI_URL').add('TUTTI_TOKEN').add('TUTTI_SERVERS')
  const unknown = documents.filter((file) => file !== 'CHANGELOG.md')
    .flatMap((file) => names(read(file)).filter((name) => !known.has(name) && !name.endsWith('_')).map((name) => `${file}: ${name}`))
  assert.deepEqual(unknown, [])
})

test('the figures that the README quotes are those of PERFORMANCE.md', () => {
  const rows = read('docs/PERFORMANCE.md').split('\n').filter((line) => line.startsWith('| ')).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()))
  const row = (load, figure) => rows.find((cells) => cells[0].startsWith(load) && cells[1] === figure).slice(2, 5)
  const thousands = (cell) => `${Math.round(Number(cell.replaceAll(',', '')) / 1000)},000`
  const [one, peerOfOne, hocuspocusOfOne] = row('One room, 50 people', 'deliveries per CPU-second').map(thousands)
  const [many, peerOfMany, hocuspocusOfMany] = row('100 rooms of 10', 'deliveries per CPU-second').map(thousands)
  const [idle, peerIdle, hocuspocusIdle] = row('Idle connections', 'memory per connection').map((cell) => String(Number.parseFloat(cell)))
  const text = read('README.md')
  for (const said of [
    `delivers ${one} keystrokes per second of CPU time, Hocuspocus ${hocuspocusOfOne} and y-websocket's server ${peerOfOne}`,
    `in 100 rooms of 10 it is ${many}, ${hocuspocusOfMany} and ${peerOfMany}`,
    `An idle connection takes ${idle}, ${hocuspocusIdle} and ${peerIdle} KiB`
  ]) assert.ok(text.includes(said), said)
})

test('MIGRATING.md says of each hook and each extension of Hocuspocus what becomes of it', () => {
  const types = readFileSync(fileURLToPath(new URL('node_modules/@hocuspocus/server/src/types.ts', import.meta.url)), 'utf8')
  const hooks = [.../export type HookName =([^;]*);/.exec(types)[1].matchAll(/"(\w+)"/g)].map(([, name]) => name)
  assert.ok(hooks.length > 20, hooks.join())
  const rows = read('docs/MIGRATING.md').split('\n').filter((line) => line.startsWith('| ')).map((line) => line.split('|')[1])
  const named = (name) => rows.some((cell) => new RegExp(`\\b${name}\\b`).test(cell))
  assert.deepEqual(hooks.filter((name) => !named(name)), [])
  assert.deepEqual(['Database', 'SQLite', 'S3', 'Redis', 'Webhook', 'Logger', 'Throttle', 'Monitor', 'RocksDB', 'Transformer'].filter((name) => !named(name)), [])
})
