// Waiting for a condition with a deadline. Tests never sleep for a guessed time.

import { setTimeout as delay } from 'node:timers/promises'

/**
 * Resolves with the first truthy value of `condition`, which may be async. Rejects after `withinMs`, saying what was
 * awaited and, from `state`, what was there instead.
 */
export async function until(condition, what, { withinMs = 15_000, state } = {}) {
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
