// The figures of the last minutes, as the room tells them. Forgets what is older.

/** What the page shows at most, and, while it is young, at least. */
export const SPAN_MS_MAX = 5 * 60_000
const SPAN_MS_MIN = 60_000

export class Samples {
  /** Ascending. @type {{ ms: number, figures: Record<string, number | null> }[]} */
  all = []

  /** @param {Record<string, any>} payload of a `metric.update` */
  add (payload) {
    const ms = Date.parse(payload.timestamp)
    // A clock that was set back would draw a line backwards.
    if (!(ms > (this.all.at(-1)?.ms ?? -Infinity))) this.all = []
    this.all.push({ ms, figures: payload })
    const oldest = ms - SPAN_MS_MAX
    while (this.all[0].ms < oldest) this.all.shift()
  }

  /** From when to when the page shows. By the server's clock, which the browser's need not agree with. */
  get span () {
    const to = this.all.at(-1)?.ms ?? 0
    const ageMs = to - (this.all[0]?.ms ?? to)
    return { fromMs: to - Math.min(SPAN_MS_MAX, Math.max(SPAN_MS_MIN, ageMs)), toMs: to }
  }

  /** One figure over time; null is left out. @returns {{ ms: number, value: number }[]} */
  of (name) {
    return this.all.filter(({ figures }) => typeof figures[name] === 'number').map(({ ms, figures }) => ({ ms, value: figures[name] }))
  }
}
