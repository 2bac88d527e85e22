// What the server says, as it stands on the wire.

import type { Access, EventName, Present, Stamp } from './types.js'

interface Answer { requestId?: string, room?: string }

export type ErrorMessage = Answer & { type: 'error', code: string, message: string, temporary?: boolean, retryAfterMs?: number }
export type SavedMessage = Answer & { type: 'saved', seq: number, version: number, timestamp: string }
export type RejectedMessage = Answer & { type: 'edit.rejected', version: number, since: number, steps: unknown[], clientIds: (string | number)[] }
export type AnswerMessage = ErrorMessage | SavedMessage | RejectedMessage | (Answer & { type: 'done', sockets: number })

export type JoinedMessage =
  { type: 'room.joined', room: string, requestId?: string, seq: number, access: Access, recovered: boolean, members: Present[] }
export type PresenceState = { type: 'presence.state', room: string, count: number, users?: Present[], capped?: boolean }
export type PresenceDiff =
  { type: 'presence.diff', room: string, count: number, joins?: Present[], updates?: Present[], leaves?: string[], capped?: boolean }
export type TypingMessage = { type: 'user.typing', room: string, user: string, name: string, typing: boolean }

export type RoomMessage = JoinedMessage | PresenceState | PresenceDiff | TypingMessage | ErrorMessage |
  { type: 'room.access', room: string, access: Access } |
  { type: 'room.left', room: string } |
  { type: 'room.evicted', room: string, reason?: string }

export type Authenticated = { type: 'auth.success', room?: undefined, userId: string, name: string }

export type ServerMessage = AnswerMessage | RoomMessage | Authenticated |
  { type: 'welcome', room?: undefined, clientId: string, heartbeatMs: number } |
  { type: 'auth.error', room?: undefined, message: string } |
  { type: 'token.expiring', room?: undefined, expiresAt: string } |
  { type: 'pong', room?: undefined } |
  { type: 'server.draining', room?: undefined } |
  (Stamp & { type: 'direct.message', room?: undefined, to: string, payload: unknown })

type EntryType = 'chat.message' | 'edit.steps' | 'edit'

/** Messages, steps, edits and the app's events: with a `seq`, unless they are ephemeral. */
export type EntryMessage = Stamp & { type: EntryType | EventName, room: string, seq?: number, update?: string, payload?: unknown }
