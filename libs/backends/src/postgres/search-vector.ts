import { documentTokens } from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'

/** Postgres keeps positions up to this one, and counts what comes after as standing there. */
const LAST_POSITION = 16_383
/** Positions kept of one word. */
const MAX_POSITIONS = 255

/**
 * The text of a `tsvector`: core's tokens with their places, as `'word':1,7`. Tokens hold letters, digits and marks alone, so none needs more than quotes;
 * core bounds them below the megabyte that a `tsvector` holds.
 */
export function searchVector(rid: Rid, contentsText: string): string {
  const places = new Map<string, number[]>()
  documentTokens(rid, contentsText).forEach((token, index) => {
    const known = places.get(token)
    if (known === undefined) places.set(token, [Math.min(index + 1, LAST_POSITION)])
    else if (known.length < MAX_POSITIONS && index < LAST_POSITION) known.push(index + 1)
  })
  return [...places].map(([token, positions]) => `'${token}':${positions.join(',')}`).join(' ')
}
