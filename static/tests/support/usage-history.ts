// How an app in TypeScript uses the history panel: compiled by a test, never run.

import { connect } from '../../client/src/index.js'
import { blocksOf, openHistory, Timeline, type Block, type HistoryPanel } from '../../client/src/history/index.js'

const room = connect<{ payload: { mood: string } }>('/ws', { token: 'a.b.c' }).room('docs/plan')
const panel: HistoryPanel = openHistory({
  room,
  root: 'content',
  personOf: (user) => ({ name: user.toUpperCase(), colour: '#2f6fb0' }),
  onRestored: ({ seq, inserted }) => [seq?.toFixed(), inserted.toFixed()]
})
panel.close()
const timeline = new Timeline(await room.past.replay())
export const blocks: Block[] = blocksOf(timeline, timeline.count, timeline.editAt(7))
export const editor: string | undefined = timeline.editorOf(1)

// @ts-expect-error a panel is of a room
openHistory({})
// @ts-expect-error a colour is a part of it
openHistory({ room, personOf: (user) => ({ name: user }) })
