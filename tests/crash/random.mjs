// Random numbers that a seed repeats (mulberry32). What the operating system's scheduling adds is not repeated.

export class Random {
  #state

  constructor(seed) {
    this.#state = seed >>> 0
  }

  #next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return (bits ^ (bits >>> 14)) >>> 0
  }

  /** A whole number from 0 up to, without, `end`. */
  below(end) {
    return Math.floor((this.#next() / 2 ** 32) * end)
  }

  /** A whole number from `first` to `last`, both included. */
  between(first, last) {
    return first + this.below(last - first + 1)
  }

  /** True `percent` times of a hundred. */
  happens(percent) {
    return this.below(100) < percent
  }

  /** A Yjs client id. */
  clientId() {
    return this.#next()
  }

  /** Another source, for someone whose draws must not shift those of this one. */
  fork() {
    return new Random(this.#next())
  }
}
