/** One timeout at a time. */
export class Timer {
  #id: ReturnType<typeof setTimeout> | undefined

  get isSet (): boolean { return this.#id !== undefined }

  set (run: () => void, delayMs: number): void {
    this.clear()
    this.#id = setTimeout(() => {
      this.#id = undefined
      run()
    }, delayMs)
  }

  clear (): void {
    clearTimeout(this.#id)
    this.#id = undefined
  }
}
