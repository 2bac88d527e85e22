// Joins the client's modules into the one file that the server serves as /tutti.js, and their types into tutti.d.ts; and those of the
// history panel into /tutti-history.js. All are committed, so that the server can be built without Node.js; a test holds them to their
// sources.
//
//   node build-client.mjs [folder, default client]

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import esbuild from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))
const out = process.argv[2] ?? join(here, 'client')
const HEADER = '// Generated from static/client/src by `npm run client`: do not edit.\n'

/** What is public, each after what it needs. */
const TYPED = ['error', 'types', 'emitter', 'presence', 'past', 'room', 'tutti', 'sync', 'document']

await esbuild.build({
  absWorkingDir: here,
  entryPoints: { tutti: 'client/src/index.ts', 'tutti-history': 'client/src/history/index.ts' },
  outdir: out,
  bundle: true,
  minify: true,
  lineLimit: 160,
  format: 'esm',
  target: ['es2022'],
  banner: { js: HEADER.trim() },
  logLevel: 'warning'
})

const types = await mkdtemp(join(tmpdir(), 'tutti-types-'))
try {
  await promisify(execFile)(join(here, 'node_modules/.bin/tsc'), ['-p', 'client', '--emitDeclarationOnly', '--outDir', types], { cwd: here })
  const parts = await Promise.all(TYPED.map(async (name) => readFile(join(types, `${name}.d.ts`), 'utf8')))
  await writeFile(join(out, 'tutti.d.ts'), HEADER + parts.map(withoutModule).join(''))
} catch (error) {
  throw new Error(error.stdout || error.message)
} finally {
  await rm(types, { recursive: true })
}

/** Declarations without imports and without what only other modules may use. */
function withoutModule (text) {
  return text.replace(/^import [^;]*;\n/gm, '').replace(/^export \{\};\n/gm, '').replace(/^\/\/ .*\n/gm, '')
}
