// npm's y-websocket server, set up as its own program does, in memory, on a port that the system chooses.
import http from 'node:http'
import { setupWSConnection } from '@y/websocket-server/utils'
import { WebSocketServer } from 'ws'

const server = http.createServer((_, response) => response.end('okay'))
new WebSocketServer({ server }).on('connection', setupWSConnection)
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))
