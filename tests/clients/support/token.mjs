// Tokens as an application would mint them: HS256 with a secret shared with the server.

import { createHmac, randomBytes } from 'node:crypto'

/** The secret of the servers that these tests start; another one in each test process. */
export const secret = randomBytes(32).toString('hex')

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Signs any header and claims, also ones that a server must refuse. */
export function sign(header, claims, key = secret) {
  const signed = `${encode(header)}.${encode(claims)}`
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
}

/** `rooms`: a list of `{ room, access }`; `ttl`: seconds until it expires. */
export function token({ sub = 'ada', name, rooms = [{ room: '*', access: 'write' }], ttl = 3600 } = {}) {
  const exp = Math.floor(Date.now() / 1000) + ttl
  return sign({ alg: 'HS256', typ: 'JWT' }, { sub, name, rooms, exp })
}
