/** What stands for all that came too late to have a series of its own. */
export const OTHER = 'other'

/** Keeps a label to the first so many values that it is given: every value is a series for as long as the process lives. */
export class BoundedLabel {
  readonly #most: number
  readonly #values = new Set<string>()

  constructor(most: number) {
    this.#most = most
  }

  of(value: string): string {
    if (this.#values.has(value)) return value
    if (this.#values.size >= this.#most) return OTHER
    this.#values.add(value)
    return value
  }
}
