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
const access: Access | null = room.access
const state: SyncState = watchWebsocketProvider({}).state
export const said: string = `${kind} ${access} ${describeSync(state)}`

// @ts-expect-error an app event has a dot in its name
room.on('updated', () => {})
// @ts-expect-error a chat message has no topic
room.on('message', ({ topic }) => topic)
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
