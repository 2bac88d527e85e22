// Tokens for an application's users, signed with the server's secret.

import { hmacKey } from './signing.js'
import type { Access } from './types.js'

/** Which rooms, by name or by pattern (`docs/*`), and what in them. `history` lets a reader look back. */
export interface Grant { room: string, access: Access | 'none', history?: boolean }

export interface TokenClaims {
  /** The user's id. */
  sub: string
  /** What others see; the id if it is missing. */
  name?: string
  /** The first that fits a room decides. */
  rooms: Grant[]
  /** Seconds until it expires: 3,600. */
  ttl?: number
  iss?: string
  aud?: string | string[]
  jti?: string
}

const text = new TextEncoder()

/** A token for a user, signed with the server's `TUTTI_JWT_SECRET` (HS256). */
export async function mintToken (secret: string, { ttl = 3600, ...claims }: TokenClaims): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const part = (value: object): string => base64Url(text.encode(JSON.stringify(value)))
  const message = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ ...claims, iat: now, exp: now + ttl })}`
  const signature = await crypto.subtle.sign('HMAC', await hmacKey(text.encode(secret), 'sign'), text.encode(message))
  return `${message}.${base64Url(new Uint8Array(signature))}`
}

const base64Url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
