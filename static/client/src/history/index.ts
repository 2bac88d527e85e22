// The history panel: what a room's document was, who wrote it, and going back. On its own beside the client.

export { openHistory, type HistoryOptions, type HistoryPanel } from './panel.js'
export { blocksOf, plainTextOf, type Block, type Presence, type Run } from './content.js'
export { Timeline } from './timeline.js'
