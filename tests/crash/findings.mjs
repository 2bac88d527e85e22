// What a run found wrong. Nothing here is acceptable: any finding fails the run.

export class Findings {
  /** Where each acknowledged mark is missing, by mark. */
  lost = new Map()
  /** Where each mark is twice, by mark. */
  duplicated = new Map()
  /** Whatever else is wrong, a sentence each. */
  faults = new Set()

  loses(mark, where) {
    note(this.lost, mark, where)
  }

  repeats(mark, where) {
    note(this.duplicated, mark, where)
  }

  fault(sentence) {
    this.faults.add(sentence)
  }

  get areNone() {
    return this.lost.size + this.duplicated.size + this.faults.size === 0
  }

  toJSON() {
    const listed = (map) => Object.fromEntries([...map].map(([mark, places]) => [mark, [...places]]))
    return { lost: listed(this.lost), duplicated: listed(this.duplicated), faults: [...this.faults] }
  }
}

function note(map, mark, where) {
  if (!map.has(mark)) map.set(mark, new Set())
  map.get(mark).add(where)
}
