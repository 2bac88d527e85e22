// GET /token: a token for whoever is signed in. Your own session stands in place of the header.
import { createHmac } from 'node:crypto'

export const dynamic = 'force-dynamic'

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

export async function GET (request) {
  const user = request.headers.get('x-user')
  if (!user) return new Response('sign in first', { status: 401 })
  const claims = { sub: user, name: user, exp: Math.floor(Date.now() / 1000) + 3600, rooms: [{ room: 'docs/*', access: 'write' }] }
  const message = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
  const signature = createHmac('sha256', process.env.TUTTI_JWT_SECRET).update(message).digest('base64url')
  return new Response(`${message}.${signature}`, { headers: { 'cache-control': 'no-store' } })
}
