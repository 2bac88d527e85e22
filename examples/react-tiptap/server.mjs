// The back end: who someone is, what they may open, and the token that says so. Your application has its own users in place of ?user=.
import express from 'express'
// #region mint
import { createHmac } from 'node:crypto'

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

export function mint (user, name, rooms) {
  const claims = { sub: user, name, exp: Math.floor(Date.now() / 1000) + 3600, rooms }
  const message = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
  return `${message}.${createHmac('sha256', process.env.TUTTI_JWT_SECRET).update(message).digest('base64url')}`
}
// mint('alice', 'Alice', [{ room: 'docs/*', access: 'write' }])
// #endregion

// #region app
const app = express()
app.use(express.static(new URL('public', import.meta.url).pathname))
app.get('/config', (_request, response) => response.json({ server: process.env.TUTTI_URL ?? 'ws://127.0.0.1:8080' }))
app.get('/token', ({ query: { user = 'alice' } }, response) => {
  const access = user === 'rita' ? 'read' : 'write'
  response.type('text/plain').send(mint(String(user), String(user), [{ room: 'docs/*', access }]))
})
const listening = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => console.log(`http://127.0.0.1:${listening.address().port}/?user=alice`))
// #endregion
