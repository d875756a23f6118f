/**
 * Text of strangers (RIDs, names, log lines) as a terminal may show it: control characters, line separators, and marks that turn the
 * writing direction become `\u{…}`, so that no RID can move the cursor or pretend to be another.
 */
export const printable = (text: string): string =>
  escapeUnprintable(text, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)

export const escapeUnprintable = (text: string, escape: (character: string) => string): string =>
  text.replace(UNPRINTABLE, escape)

// Cc = controls, Cf = formats (direction marks), Cs = halves of surrogate pairs, Zl and Zp = line separators. The two joiners belong to
// the spelling of several scripts and of many emoji.
const UNPRINTABLE = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** Cuts in the middle, where the least is told, keeping whole characters: `data-catalog…planets.csv`. */
export const shortened = (text: string, width: number): string => {
  const characters = [...text]
  if (characters.length <= width) return text
  const head = Math.ceil((width - 1) / 2)
  const tail = width - 1 - head
  return `${characters.slice(0, head).join('')}…${tail === 0 ? '' : characters.slice(-tail).join('')}`
}

/** A RID as a live line shows it: without the `orn:` that most share. */
export const shortRid = (rid: string): string => printable(rid.replace(/^orn:/u, ''))
