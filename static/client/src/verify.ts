// What a server tells an application's back end, once its signature holds.

import { TuttiError } from './error.js'
import { hmacKey } from './signing.js'

const text = new TextEncoder()

/** Those of a request: of `fetch`, or of Node.js, with names in lower case. */
export type RequestHeaders = Headers | Record<string, string | string[] | undefined>

export interface VerifyOptions {
  /** How far the delivery's time may be from now, in seconds: 300. */
  tolerance?: number
}

/**
 * Checks what a server has signed, as Standard Webhooks has it: of a webhook the payload is the body as it came, of a question for first
 * contents the room's name.
 *
 * @throws TuttiError `invalid_signature`
 */
export async function verifySignature (
  secret: string, headers: RequestHeaders, payload: string | Uint8Array, { tolerance = 300 }: VerifyOptions = {}
): Promise<void> {
  const header = (name: string): string => String((headers instanceof Headers ? headers.get(name) : headers[name]) ?? '')
  const [id, timestamp, signatures] = [header('webhook-id'), header('webhook-timestamp'), header('webhook-signature')]
  if (!/^\d{1,15}$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > tolerance) throw invalid('the time is missing, or too far from now')
  const head = text.encode(`${id}.${timestamp}.`)
  const body = typeof payload === 'string' ? text.encode(payload) : payload
  const signed = new Uint8Array(head.length + body.length)
  signed.set(head)
  signed.set(body, head.length)
  const bytes = bytesOf(secret.replace(/^whsec_/, ''))
  if (!bytes?.length) throw new TuttiError('invalid_secret', 'a secret is whsec_ and base64')
  const key = await hmacKey(bytes, 'verify')
  for (const part of signatures.split(' ')) {
    const signature = part.startsWith('v1,') ? bytesOf(part.slice(3)) : null
    if (signature && await crypto.subtle.verify('HMAC', key, signature, signed)) return
  }
  throw invalid('no signature fits')
}

const invalid = (message: string): TuttiError => new TuttiError('invalid_signature', message)

function bytesOf (base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
  } catch {
    return null
  }
}

/** What all events have. `id` is the same when a delivery is repeated. */
interface Told<Type extends string> { type: Type, id: string, timestamp: string, room: string }
interface ToldOfEntry<Type extends string> extends Told<Type> { seq: number, user: string, name?: string, payload?: unknown }

export interface DocumentChanged extends Told<'document.changed'> {
  firstSeq: number
  seq: number
  authors: string[]
  /** In the format that the webhook asks for; as it is up to `contentSeq`, which may be newer than `seq`. */
  content?: unknown
  contentSeq?: number
  contentError?: 'too_large' | 'root_not_found' | 'too_costly'
}
export interface MessageCreated extends ToldOfEntry<'message.created'> { text: string }
export type RoomCreated = ToldOfEntry<'room.created'>
export interface RoomDeleted extends Told<'room.deleted'> { user: string, name: string }
export interface RoomEmpty extends Told<'room.empty'> { bestEffort: true }
export interface PresenceChanged extends Told<'presence.joined' | 'presence.left'> { user: string, name: string, bestEffort: true }

/** By `type`; whatever else it is, an event of the app, or one that this client does not know. */
export type WebhookEvent = DocumentChanged | MessageCreated | RoomCreated | RoomDeleted | RoomEmpty | PresenceChanged

/**
 * What a webhook tells, once its signature holds. Give it the body as it came: parsed and written again, it is another one.
 *
 * @throws TuttiError `invalid_signature`
 */
export async function verifyWebhook<Event extends { type: string } = WebhookEvent> (
  secret: string, headers: RequestHeaders, body: string | Uint8Array, options?: VerifyOptions
): Promise<Event> {
  await verifySignature(secret, headers, body, options)
  return JSON.parse(typeof body === 'string' ? body : new TextDecoder().decode(body)) as Event
}
