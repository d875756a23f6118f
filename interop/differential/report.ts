/** What was compared, and where the two implementations differ. */

export interface Difference {
  readonly kind: string
  /** What it was made from. */
  readonly input: string
  readonly detail: string
}

export class Report {
  /** Judgements compared: envelopes, hashes and texts. */
  compared = 0
  /** Envelopes changed by hand that the reference takes and we do not: it skips what is not base64 and fills in a missing `type`. */
  stricter = 0
  /** What was made, by kind. */
  readonly made = new Map<string, number>()
  readonly differences: Difference[] = []

  differ(kind: string, input: string, detail: string): void {
    this.differences.push({ kind, input, detail })
  }

  expect(kind: string, input: string, here: string | undefined, there: string | undefined): void {
    this.compared++
    if (here !== there) this.differ(kind, input, `here  ${here}\n    there ${there}`)
  }

  count(kind: string, many = 1): void {
    this.made.set(kind, (this.made.get(kind) ?? 0) + many)
  }
}
