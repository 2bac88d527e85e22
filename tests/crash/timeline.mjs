// The stored timelines, read past the server: which marks the entries insert, how often, and whether the seqs are 1, 2, 3 …

import { markLength } from './marks.mjs'
import { Y } from './packages.mjs'

export class Timeline {
  /** The newest seq by room. */
  heads = new Map()
  /** What is wrong with the seqs or bodies. */
  faults = []
  #byClientId
  #insertions

  constructor(typists) {
    this.#byClientId = new Map(typists.map((typist) => [typist.clientId, typist]))
    this.#insertions = new Map(typists.map((typist) => [typist, []]))
  }

  /** Reads what was stored since the last call. */
  async read(database) {
    for (const { room, seq, body } of await database.entries(this.heads)) {
      const head = this.heads.get(room) ?? 0
      if (seq !== head + 1) this.faults.push(`${room}: after seq ${head} stands seq ${seq}`)
      this.heads.set(room, seq)
      for (const struct of Y.decodeUpdate(body).structs) this.#count(room, seq, struct)
    }
  }

  #count(room, seq, struct) {
    const { client, clock } = struct.id
    const typist = this.#byClientId.get(client)
    if (!(struct instanceof Y.Item) || typist?.room !== room) {
      this.faults.push(`${room}: seq ${seq} brings ${struct.constructor.name} ${client}:${clock}, which nobody typed there`)
      return
    }
    const clocks = this.#insertions.get(typist)
    for (let i = clock; i < clock + struct.length; i += 1) clocks[i] = (clocks[i] ?? 0) + 1
  }

  /** How often a mark was inserted: the counts of its clocks, which are all 1 if everything is right. */
  #counts(typist, number) {
    const clocks = this.#insertions.get(typist)
    return Array.from({ length: markLength }, (_, i) => clocks[number * markLength + i] ?? 0)
  }

  holds(typist, number) {
    return this.#counts(typist, number).every((count) => count > 0)
  }

  repeats(typist, number) {
    return this.#counts(typist, number).some((count) => count > 1)
  }
}
