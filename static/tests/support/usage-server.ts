// How a back end in TypeScript uses `tutti/server`: compiled by a test, never run.

import { mintToken, TuttiError, TuttiServer, verifyWebhook, type HistoryPage, type Saved, type Written } from '../../client/src/server.js'

export const token: string = await mintToken('secret', { sub: 'alice', rooms: [{ room: 'docs/*', access: 'read', history: true }] })
const server = new TuttiServer('https://tutti.example.com', { secret: 'secret' })
export const text: string = (await server.readDocument('docs/plan', { format: 'text' })).content
export const update: Uint8Array = (await server.readDocument('docs/plan', { format: 'yjs', at: 7 })).content
export const json: unknown = (await server.readDocument('docs/plan')).content
export const written: Written = await server.putDocument('docs/plan', { content: 'Hello' }, { ifNew: true })
await server.patchDocument('docs/plan', [{ op: 'insert', path: ['content'], index: 0, text: 'a' }, { op: 'set', path: ['map', 'key'], value: 1 }])
export const saved: Saved = await server.publish('docs/plan', { text: 'hi' })
export const all: Saved[] = await server.publish('docs/plan', [{ text: 'hi' }, { type: 'order.updated' }])
export const page: HistoryPage = await server.readHistory('docs/plan', { after: 0, wait: 30 })
export const remains: 'all' | 'some' | 'name' | 'nothing' = (await server.deleteRoom('docs/plan', { hard: true })).deletion.remains
export const drafts: string[] = (await server.listRooms({ prefix: 'docs/', sort: 'updated', meta: { status: 'draft' } })).rooms.map(({ room }) => room)
export const edits: number | undefined = (await server.getRoom('docs/plan', { size: true })).size?.edits
export const pages: unknown = (await server.setMeta('docs/plan', { pages: 3 })).meta?.pages
const past = server.past('docs/plan')
export const patch: string = await past.unifiedDiff({ from: 1 })
export const inserted: unknown[] = (await past.diff({ from: 1, to: new Date() })).ops.flatMap((part) => 'insert' in part ? [part.insert] : [])
export const quotes: (string | undefined)[] = (await server.readComments('docs/plan')).threads.map(({ quote }) => quote)
export const webhookSecret: string = (await server.addWebhook({ url: 'https://app.example.com/hook' })).secret
await server.revoke({ sub: 'alice' })
const event = await verifyWebhook('whsec_', new Headers(), '{}')
if (event.type === 'document.changed') event.authors.map((author) => author.length)
if (event.type === 'message.created') event.text.length
const order = await verifyWebhook<{ type: 'order.updated', payload: { id: number } }>('whsec_', {}, new Uint8Array())
order.payload.id.toFixed()
export const isLate = (error: unknown): boolean => error instanceof TuttiError && error.temporary

// @ts-expect-error there is no such format
await server.readDocument('docs/plan', { format: 'html' })
// @ts-expect-error an insertion has a place
await server.patchDocument('docs/plan', [{ op: 'insert', path: ['content'], text: 'a' }])
// @ts-expect-error there is no such access
await mintToken('secret', { sub: 'alice', rooms: [{ room: '*', access: 'owner' }] })
// @ts-expect-error who is in a room has no text
if (event.type === 'presence.joined') event.text.length
// @ts-expect-error either a user or a token
await server.revoke({ until: '2030-01-01T00:00:00Z' })
// @ts-expect-error there is no such order
await server.listRooms({ sort: 'size' })
