/** What one side of a row gave, a value a round; or why there is none. */
export type Values = readonly number[] | { readonly why: string }

export interface RowResult {
  readonly row: string
  readonly what: string
  readonly unit: string
  /** Which way is better. */
  readonly better: 'more' | 'less'
  readonly ours: Values
  readonly reference: Values
  readonly floor: Values
}

export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  const [min, max] = [sorted[0], sorted.at(-1)]
  if (min === undefined || max === undefined) return undefined
  const middle = sorted.length / 2
  const median = ((sorted[Math.ceil(middle) - 1] ?? min) + (sorted[Math.floor(middle)] ?? max)) / 2
  return { min, median, max }
}

/** How many times as good ours is as the other, round by round: both sides of a quotient had the machine as it was then. */
export function ratioOf({ ours, better }: Pick<RowResult, 'ours' | 'better'>, other: Values): Spread | undefined {
  if ('why' in ours || 'why' in other) return undefined
  const rounds = Math.min(ours.length, other.length)
  const ratios = Array.from({ length: rounds }, (_, round) => {
    const [mine, theirs] = [ours[round] ?? Number.NaN, other[round] ?? Number.NaN]
    return better === 'more' ? mine / theirs : theirs / mine
  })
  return spreadOf(ratios)
}
