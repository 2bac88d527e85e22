type Listener = (event: never) => void

/** @internal Tells the listeners; how many there were. Set by Emitter, so that nobody outside this package can. */
export let emit: (emitter: object, type: string, event: unknown) => number

export class Emitter<Events extends object> {
  #listeners = new Map<PropertyKey, Set<Listener>>()

  static {
    emit = (emitter, type, event) => {
      const listeners = [...(emitter as Emitter<object>).#listeners.get(type) ?? []]
      for (const listener of listeners) {
        try {
          listener(event as never)
        } catch (error) {
          // As with an EventTarget: one listener's fault is reported, and hurts nobody else.
          queueMicrotask(() => { throw error })
        }
      }
      return listeners.length
    }
  }

  /** @returns Removes the listener. */
  on<Type extends keyof Events> (type: Type, listener: (event: Events[Type]) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners.add(listener))
    return () => this.off(type, listener)
  }

  off<Type extends keyof Events> (type: Type, listener: (event: Events[Type]) => void): void {
    this.#listeners.get(type)?.delete(listener)
  }
}
