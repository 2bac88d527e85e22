// Builds the demo's pages into dist/, beside assets/ whose names carry a hash of their content, so the server may let
// browsers keep them for ever, each with its compressed copy. Knows nothing about the server.

import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { fileURLToPath } from 'node:url'
import esbuild from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))
const out = join(here, 'dist')

/** `import code from 'file?region=name'`: what stands between `#region name` and `#endregion` there. */
const regions = {
  name: 'regions',
  setup (build) {
    build.onResolve({ filter: /\?region=/ }, ({ path, resolveDir }) => ({ path: join(resolveDir, path), namespace: 'region' }))
    build.onLoad({ filter: /./, namespace: 'region' }, async ({ path }) => {
      const [file, name] = path.split('?region=')
      const found = new RegExp(`^// #region ${name}\\n(.*?)^// #endregion`, 'ms').exec(await readFile(file, 'utf8'))
      if (!found) return { errors: [{ text: `${file} has no region ${name}` }] }
      return { contents: found[1], loader: 'text' }
    })
  }
}

await rm(out, { recursive: true, force: true })

const { metafile } = await esbuild.build({
  absWorkingDir: here,
  entryPoints: {
    app: 'markdown/main.js',
    theme: 'page/theme-first.js',
    style: 'markdown/style.css',
    icon: 'page/icon.svg',
    tiptap: 'tiptap/main.js',
    'tiptap-style': 'tiptap/style.css',
    comments: 'tiptap/comments.js',
    dashboard: 'dashboard/dashboard.js',
    'dashboard-style': 'dashboard/dashboard.css',
    api: 'api/main.js',
    'api-style': 'api/style.css'
  },
  outdir: join(out, 'assets'),
  entryNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  publicPath: '/assets',
  bundle: true,
  // The server has them under these names, for every page; the second is loaded when it is asked for.
  external: ['/tutti.js', '/tutti-history.js'],
  alias: { '@codemirror/lang-html': './markdown/no-html.js', linkifyjs: './tiptap/no-domains.js' },
  plugins: [regions],
  minify: true,
  format: 'esm',
  target: ['es2022'],
  loader: { '.woff2': 'file', '.svg': 'copy' },
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning'
})

/** The built file's URL by the path of its source. */
const builtFrom = new Map(Object.entries(metafile.outputs)
  .filter(([, output]) => output.entryPoint)
  .map(([file, output]) => [output.entryPoint, `/assets/${basename(file)}`]))

const pages = { 'markdown/index.html': 'index.html', 'tiptap/index.html': 'tiptap.html', 'dashboard/index.html': 'dashboard.html', 'api/index.html': 'api.html' }
for (const [source, built] of Object.entries(pages)) await writeFile(join(out, built), await filled(source))

/** A page in which `{{file}}` has become what it names: a piece of HTML itself, of anything built its URL. */
async function filled (source) {
  const parts = (await readFile(join(here, source), 'utf8')).trimEnd().split(/\{\{(.+?)\}\}/)
  const filledParts = parts.map((part, i) => {
    if (i % 2 === 0) return part
    if (part.endsWith('.html')) return filled(part)
    if (!builtFrom.has(part)) throw new Error(`${source} names ${part}, which is not built`)
    return builtFrom.get(part)
  })
  return (await Promise.all(filledParts)).join('')
}

await mkdir(join(out, 'assets'), { recursive: true })
await writeFile(join(out, 'assets/licenses.txt'), await licences(Object.keys(metafile.inputs)))

// Compressed once and as well as can be: the server sends them as they are.
for (const file of await readdir(join(out, 'assets'))) {
  if (!/\.(js|css|svg|txt)$/.test(file)) continue
  const text = await readFile(join(out, 'assets', file))
  await writeFile(join(out, 'assets', `${file}.gz`), gzipSync(text, { level: 9 }))
}

/** The licence texts of every package of which something is in the bundle: they ask to travel with it. */
async function licences (inputs) {
  const packages = new Set(inputs.map((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]).filter(Boolean))
  const texts = await Promise.all([...packages].sort().map(async (name) => {
    const folder = join(here, 'node_modules', name)
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry))
    if (!file) throw new Error(`${name} has no licence file`)
    return `${name}\n${'-'.repeat(name.length)}\n${await readFile(join(folder, file), 'utf8')}`
  }))
  return texts.join('\n\n')
}
