interface Waiter {
  readonly place: number
  resolve(): void
  reject(reason: Error): void
}

/** Those who wait until a growing number has come to where they want it. */
export class Waiters {
  #waiting: readonly Waiter[] = []
  #place = -1
  #closed: Error | undefined

  until(place: number): Promise<void> {
    if (place <= this.#place) return Promise.resolve()
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    return new Promise((resolve, reject) => {
      this.#waiting = [...this.#waiting, { place, resolve, reject }]
    })
  }

  reached(place: number): void {
    this.#place = place
    const due = this.#waiting.filter((waiter) => waiter.place <= place)
    this.#waiting = this.#waiting.filter((waiter) => waiter.place > place)
    for (const waiter of due) waiter.resolve()
  }

  /** Nothing more will be reached: those who wait, and those who come, are refused. */
  close(reason: Error): void {
    this.#closed = reason
    for (const waiter of this.#waiting) waiter.reject(reason)
    this.#waiting = []
  }
}
