// Waiting for a condition with a deadline. Tests never sleep for a guessed time.

import { setTimeout as delay } from 'node:timers/promises'

/** The deadline for seeing who is here: a state that comes only with its provider's own renewal, after 15 s, comes too late. */
export const atOnce = { withinMs: 10_000 }

/**
 * Resolves with the first truthy value of `condition`, which may be async. Rejects after `withinMs`, saying what was
 * awaited and, from `state`, what was there instead.
 */
export async function until(condition, what, { withinMs = 60_000, state } = {}) {
  const deadline = Date.now() + withinMs
  for (;;) {
    const value = await condition()
    if (value) return value
    if (Date.now() > deadline) {
      const seen = state ? `; there was: ${JSON.stringify(state())}` : ''
      throw new Error(`not within ${withinMs} ms: ${what}${seen}`)
    }
    await delay(5)
  }
}
