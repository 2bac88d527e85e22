import type { ErrorMessage } from './wire.js'

/** A refusal by the server, or by the client itself: `queue_full`, `too_large`, `closed`, `connection_lost`, `evicted`, `left`. */
export class TuttiError extends Error {
  override name = 'TuttiError'
  code: string
  /** The same may work later. */
  temporary: boolean
  retryAfterMs: number | undefined
  room: string | undefined

  constructor (code: string, message: string, { temporary = false, retryAfterMs, room }: { temporary?: boolean, retryAfterMs?: number, room?: string } = {}) {
    super(message)
    this.code = code
    this.temporary = temporary
    this.retryAfterMs = retryAfterMs
    this.room = room
  }
}

/** @internal */
export const errorFrom = ({ code, message, temporary, retryAfterMs, room }: ErrorMessage): TuttiError =>
  new TuttiError(code, message, { temporary, retryAfterMs, room })

/** @internal What to say of something that was thrown. */
export const reasonOf = (thrown: unknown): string => thrown instanceof Error ? thrown.message : String(thrown)
