// How an app in TypeScript uses the client: compiled by a test, never run.

import { connect, TuttiError, type Room, type State } from '../../client/tutti.js'

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

// @ts-expect-error an app event has a dot in its name
room.on('updated', () => {})
// @ts-expect-error a chat message has no topic
room.on('message', ({ topic }) => topic)
// @ts-expect-error a token is needed
connect('/ws', {})
