// nginx from the system's packages in front of a server, with the configuration that docs/OPERATIONS.md hands out.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { holdPort } from './port.mjs'
import { until } from './until.mjs'

const program = process.env.NGINX ?? '/usr/sbin/nginx'
const config = new URL('../../../deploy/nginx.conf', import.meta.url)

const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.on('error', () => resolve(false)).on('connect', () => socket.end())
  })

/**
 * Starts nginx in front of `server`, ended with the test `t`. The result is the server as clients know it who come that way.
 * `readTimeout` and `keepaliveTimeout` take the place of the configured ones.
 */
export async function behindNginx(t, server, { readTimeout, keepaliveTimeout } = {}) {
  if (!existsSync(program)) throw new Error(`there is no nginx at ${program}: run \`make test\`, or name one in NGINX`)
  const folder = await mkdtemp(join(tmpdir(), 'tutti-nginx-'))
  const port = await holdPort()
  t.after(() => port.release())
  const site = (await readFile(config, 'utf8'))
    .replace('listen 80;', `listen 127.0.0.1:${port.number};`)
    .replace('server 127.0.0.1:8080', `server ${server.upstream}`)
    .replace('proxy_read_timeout 90s', `proxy_read_timeout ${readTimeout ?? '90s'}`)
    .replace('keepalive_timeout 60s', `keepalive_timeout ${keepaliveTimeout ?? '60s'}`)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`)
  // As the server's user, who may open its socket.
  const user = process.getuid() === 0 ? 'user root;' : ''
  const main = `${user} daemon off; pid ${folder}/pid; error_log stderr; events {} http { access_log off; ${temporary.join(' ')} include ${folder}/site; }`
  await writeFile(join(folder, 'site'), site)
  await writeFile(join(folder, 'main'), main)
  const child = spawn(program, ['-p', folder, '-c', join(folder, 'main'), '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (data) => (log += data))
  const ended = new Promise((resolve) => child.once('exit', resolve))
  t.after(async () => {
    child.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true, force: true })
  })
  await until(() => answers(port.number), 'nginx answers', { state: () => log })
  const address = `127.0.0.1:${port.number}`
  return {
    url: `http://${address}`,
    yjsUrl: `ws://${address}/yjs`,
    hocuspocusUrl: `ws://${address}/hocuspocus`,
    token: (claims) => server.token(claims),
  }
}
