// A TCP port of 127.0.0.1 that belongs to one test for as long as it wants, also before its server starts and between two lives
// of it: a port that is merely free is given to whoever asks next.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/** Where the connections end that hold ports; of this process. */
let end = null

async function openEnd() {
  const server = createServer((socket) => socket.on('error', () => {}).unref()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.unref()
}

/**
 * `{ number, release }`. What holds the port is a connection that begins there: no other process is given the port then, and who
 * asks for it by number and with SO_REUSEADDR, as servers do, may listen on it all the same.
 */
export async function holdPort() {
  const { port } = (await (end ??= openEnd())).address()
  const holder = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.1' })
  await once(holder, 'connect')
  holder.on('error', () => {}).unref()
  return { number: holder.localPort, release: () => holder.resetAndDestroy() }
}
