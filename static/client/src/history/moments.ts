// How moments and amounts are written for people, in their own language and time zone.

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const second = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const number = new Intl.NumberFormat()

const midnight = (ms: number): number => new Date(ms).setHours(0, 0, 0, 0)

/** Whole days before today; a day with a clock change has 23 or 25 hours. */
const daysAgo = (ms: number): number => Math.round((midnight(Date.now()) - midnight(ms)) / 86_400_000)

export function dayOf (ms: number): string {
  const days = daysAgo(ms)
  return days === 0 ? 'Today' : days === 1 ? 'Yesterday' : date.format(ms)
}

export const momentOf = (ms: number): string => `${dayOf(ms)}, ${second.format(ms)}`

/** Within a sentence. */
export const momentWithin = (ms: number): string => momentOf(ms).replace(/^(Today|Yesterday)/, (day) => day.toLowerCase())

/** The same, whenever it is read. */
export const fullMomentOf = (ms: number): string => full.format(ms)

export function spanOf (fromMs: number, toMs: number): string {
  const [from, to] = [clock.format(fromMs), clock.format(toMs)]
  return from === to ? to : `${from} – ${to}`
}

export const countOf = (count: number): string => number.format(count)

export const charactersOf = (count: number): string => `${countOf(count)} ${count === 1 ? 'character' : 'characters'}`
