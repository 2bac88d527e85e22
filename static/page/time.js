// How moments are written for people, in their own language and time zone. Pure but for the clock that the caller hands in.

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const day = new Intl.DateTimeFormat('en', { weekday: 'long', day: 'numeric', month: 'long' })
const date = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'long', timeStyle: 'medium' })

const midnight = (ms) => new Date(ms).setHours(0, 0, 0, 0)
/** Whole days from one moment's date to another's; a day with a clock change has 23 or 25 hours. */
const daysBetween = (ms, nowMs) => Math.round((midnight(nowMs) - midnight(ms)) / (24 * HOUR_MS))

export const fullTime = (ms) => full.format(ms)

export function timeSpan (fromMs, toMs) {
  const [from, to] = [clock.format(fromMs), clock.format(toMs)]
  return from === to ? to : `${from} – ${to}`
}

export function dayName (ms, nowMs) {
  const days = daysBetween(ms, nowMs)
  return days <= 0 ? 'Today' : days === 1 ? 'Yesterday' : day.format(ms)
}

/** How long ago, short enough for a list. */
export function ago (ms, nowMs) {
  const passed = nowMs - ms
  if (passed < MINUTE_MS) return 'now'
  if (passed < HOUR_MS) return `${Math.floor(passed / MINUTE_MS)} min`
  const days = daysBetween(ms, nowMs)
  return days === 0 ? `${Math.floor(passed / HOUR_MS)} h` : days === 1 ? 'yesterday' : date.format(ms)
}
