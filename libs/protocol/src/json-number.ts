/**
 * Numbers as the reference prints them after reading them (pydantic-core 2.50): an integer literal keeps its digits, however
 * many; anything with a point or an exponent is a double and is printed in the fewest digits, with an exponent at and above
 * 1e16 and below 1e-5, and with `.0` where it would look like an integer.
 */

const SMALLEST_PLAIN_EXPONENT = -5
const FIRST_EXPONENT_WITH_E = 16

/** A double, printed as the reference prints its floats: `1.0`, `-0.0`, `1e+16`, `1.5e-6`. The number must be finite. */
export function floatText(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  const [mantissa = '', exponentText = ''] = Math.abs(value).toExponential().split('e')
  const sign = value < 0 ? '-' : ''
  const exponent = Number(exponentText)
  if (exponent >= FIRST_EXPONENT_WITH_E) return `${sign}${mantissa}e+${exponent}`
  if (exponent < SMALLEST_PLAIN_EXPONENT) return `${sign}${mantissa}e${exponent}`
  const digits = mantissa.replace('.', '')
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`
}

/** A JSON number's text, as the reference prints it again. `1E5` → `100000.0`, `-0` → `0`, `12345678901234567890` as it is. */
export function numberText(token: string): string {
  if (/[.eE]/.test(token)) return floatText(Number(token))
  return token === '-0' ? '0' : token
}

/**
 * One of our own numbers: whole ones up to 1e21 as integers, which is what `JSON.stringify` does and what every node reads back
 * as the same number; the rest as floats.
 */
export function ownNumberText(value: number): string {
  if (Object.is(value, -0)) return '0'
  return numberText(String(value))
}
