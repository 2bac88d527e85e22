// How an app in TypeScript uses the client: compiled by a test, never run.

import { connect, describeSync, TuttiError, watchWebsocketProvider, type Access, type EntryKind, type Room, type State, type SyncState } from '../../client/tutti.js'

const tutti = connect('/ws', { token: async () => 'a.b.c', queueMax: 10 })
tutti.on('state', ({ state, reason, retryInMs }: State) => [state.length, reason?.length, retryInMs?.toFixed()])
tutti.on('direct', ({ user, payload }) => [user.length, payload])
const room: Room = tutti.room('general', { since: 0 })
const stop: () => void = room.on('message', ({ text, seq }) => [text.length, seq.toFixed()])
room.on('order.updated', ({ payload, seq }) => [payload, seq?.toFixed()])
room.on('presence', ({ joins }) => joins.map(({ user }) => user.length))
const { seq } = await room.send('Hello', { payload: { mood: 'fine' } })
const isSent: boolean = room.signal('cursor.moved', { x: seq })
const answer = await room.push(3, [], 'me')
if (answer.accepted) answer.seq.toFixed()
else answer.steps.map((step) => step)
await tutti.direct('bob', {}).catch((error: TuttiError) => [error.code.length, error.temporary, isSent, stop])
const { entries } = await room.history({ kind: 'edit' })
const kind: EntryKind | undefined = entries[0]?.kind
const { content, seq: asOf } = await room.past.document({ at: new Date(0), format: 'yjs' })
const { content: json } = await room.past.document({ at: 3 })
const { ops } = await room.past.diff({ from: asOf, to: '2026-11-21T12:16:07.156Z' })
ops.map((op) => {
  if ('retain' in op) return op.attributes ? op.by : op.retain.toFixed()
  if ('modify' in op) return op.modify.ops?.length
  if ('insert' in op) return typeof op.insert === 'string' ? op.insert + op.by : op.attributes?.bold
  return 'create' in op ? op.create.name : op.text ?? op.type?.kind
})
const patch: string = await room.past.unifiedDiff({ from: 1, root: 'map' })
const [version] = await room.past.versions()
if (version?.label) await room.past.removeVersion({ seq: version.seq, label: version.label })
const { nodes } = await room.past.replay()
nodes.map((node) => node.kind === 'element' ? node.name + node.end : node.at)
const { seq: restoredAt } = await room.past.restore(content.byteLength, { ifHead: 7 })
const access: Access | null = room.access
const state: SyncState = watchWebsocketProvider({}).state
export const said: string = `${kind} ${access} ${describeSync(state)} ${patch}`

// @ts-expect-error an app event has a dot in its name
room.on('updated', () => {})
// @ts-expect-error a chat message has no topic
room.on('message', ({ topic }) => topic)
// @ts-expect-error what a document holds is not known until it is looked at
json.text
// @ts-expect-error there may have been nothing to undo
restoredAt.toFixed()
// @ts-expect-error a past document is of a moment
await room.past.document({ format: 'text' })
// @ts-expect-error a token is needed
connect('/ws', {})
// @ts-expect-error there is no such access
export const owner: boolean = room.access === 'owner'
// @ts-expect-error there is no such kind
await room.history({ kind: 'edits' })
// @ts-expect-error what other clients send is not known until it is looked at
room.on('message', ({ payload }) => payload.mood)

interface Orders {
  payload: { mood: string }
  presence: { colour: string }
  events: { 'order.updated': { id: number }, 'order.deleted': { id: number, by: string } }
  direct: { ring: boolean }
}
const orders = connect<Orders>('/ws', { token: 'a.b.c' })
const typed = orders.room('orders')
typed.on('message', ({ payload }) => payload?.mood.length)
typed.on('order.updated', ({ payload }) => payload.id.toFixed())
typed.on('event', (event) => event.type === 'order.deleted' ? event.payload.by.length : event.payload.id)
typed.presence.set({ colour: 'red' })
for (const { state } of typed.presence.users.values()) state?.colour.length
await typed.publish('order.updated', { id: 7 })
await orders.direct('bob', { ring: true })
// @ts-expect-error there is no such event
await typed.publish('order.updatd', { id: 7 })
// @ts-expect-error an order has a number
await typed.publish('order.updated', { id: '7' })
// @ts-expect-error presence has a colour
typed.presence.set({ color: 'red' })
// @ts-expect-error a message has a mood
await typed.send('Hello', { payload: {} })
