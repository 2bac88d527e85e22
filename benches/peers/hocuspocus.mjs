// Hocuspocus without extensions, so in memory, on a port that the system chooses.
import { Server } from '@hocuspocus/server'

const server = new Server({ address: '127.0.0.1', port: 0, quiet: true, stopOnSignals: false })
await server.listen()
console.log(`listening on http://127.0.0.1:${server.httpServer.address().port}`)
