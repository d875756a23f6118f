/** Random JSON text with everything in it that two implementations may read or print differently; the same for the same seed. */

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 32 random bits (mulberry32). */
  bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** A whole number from 0 up to, not including, `end`. */
  below(end: number): number {
    return Math.floor((this.bits() / 2 ** 32) * end)
  }

  chance(probability: number): boolean {
    return this.bits() / 2 ** 32 < probability
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
}

const KEYS = [
  '',
  '0',
  '1',
  '10',
  '007',
  '-1',
  '4294967295',
  '4294967294',
  '1.0',
  '__proto__',
  'constructor',
  'toString',
]
const MORE_KEYS = [
  'toJSON',
  'hasOwnProperty',
  'length',
  '@context',
  'rid',
  'a b',
  'ключ',
  '鍵',
  '🗝',
  'a"b\\',
  '\u0000',
  'e\u0301',
  'é',
]
const ALL_KEYS = [...KEYS, ...MORE_KEYS]

/** An object as JSON text; `loose` adds the spaces, escapes and number forms that nobody's printer makes. */
export function randomContents(random: Random, loose: boolean): string {
  if (random.chance(0.01)) return deepContents(random)
  return object(random, 0, loose)
}

/** Any value as JSON text, of little depth. */
export function randomValue(random: Random): string {
  return value(random, 4, false)
}

function object(random: Random, depth: number, loose: boolean): string {
  const keys = new Set<string>()
  for (let left = random.below(depth === 0 ? 9 : 5); left > 0; left--) {
    keys.add(random.chance(0.5) ? random.pick(ALL_KEYS) : randomText(random))
  }
  const members = [...keys].map(
    (key) => `${string(random, key, loose)}${gap(random, loose)}:${value(random, depth + 1, loose)}`,
  )
  return `{${gap(random, loose)}${members.join(`,${gap(random, loose)}`)}${gap(random, loose)}}`
}

function value(random: Random, depth: number, loose: boolean): string {
  const space = gap(random, loose)
  switch (random.below(depth > 5 ? 6 : 9)) {
    case 0:
      return space + random.pick(['true', 'false', 'null'])
    case 1:
    case 2:
      return space + string(random, randomText(random), loose)
    case 3:
      return space + float(random, loose)
    case 4:
      return space + integer(random)
    case 5:
      return space + random.pick(['""', '{}', '[]', '0', '0.0', '-0.0', '1.0', '1e+16', '1e-6', '12345678901234567890'])
    case 6:
      return `${space}[${Array.from({ length: random.below(6) }, () => value(random, depth + 1, loose)).join(',')}${gap(random, loose)}]`
    default:
      return space + object(random, depth + 1, loose)
  }
}

/** As deep as an envelope of the reference can hold, in arrays and objects. */
function deepContents(random: Random): string {
  let text = '1.5'
  for (let left = 150 + random.below(46); left > 0; left--) text = random.chance(0.5) ? `[${text}]` : `{"deep":${text}}`
  return `{"root":${text}}`
}

/** Up to 300 characters of every kind, mostly fewer. */
export function randomText(random: Random): string {
  let text = ''
  for (let left = random.below(random.chance(0.05) ? 300 : 12); left > 0; left--) text += character(random)
  return text
}

function character(random: Random): string {
  switch (random.below(8)) {
    case 0:
      return String.fromCharCode(random.below(0x20))
    case 1:
      return random.pick([
        '"',
        '\\',
        '/',
        '\u007f',
        '\u0080',
        '\u2028',
        '\u2029',
        '\ufeff',
        '\uffff',
        '\ue000',
        '\ud7ff',
        '\u00ad',
      ])
    case 2:
      return String.fromCodePoint(0x10000 + random.below(0x100000))
    case 3:
      return String.fromCharCode(0x80 + random.below(0xd780))
    default:
      return String.fromCharCode(0x20 + random.below(0x5f))
  }
}

function string(random: Random, text: string, loose: boolean): string {
  if (!loose || random.chance(0.5)) return JSON.stringify(text)
  const escaped = Array.from({ length: text.length }, (_, index) => {
    const unit = text.charAt(index)
    if (random.chance(0.6) && !isSurrogate(unit) && unit >= ' ' && unit !== '"' && unit !== '\\') return unit
    const hex = unit.charCodeAt(0).toString(16).padStart(4, '0')
    return `\\u${random.chance(0.5) ? hex : hex.toUpperCase()}`
  })
  return `"${escaped.join('')}"`
}

function isSurrogate(unit: string): boolean {
  return unit >= '\ud800' && unit <= '\udfff'
}

function integer(random: Random): string {
  const sign = random.chance(0.3) ? '-' : ''
  if (random.chance(0.5)) return sign === '' ? String(random.below(1000)) : `-${1 + random.below(1000)}`
  let digits = String(1 + random.below(9))
  for (let left = random.below(random.chance(0.1) ? 300 : 25); left > 0; left--) digits += String(random.below(10))
  return sign + digits
}

/** Doubles of every magnitude, in JavaScript's spelling, which no printer of the reference makes. */
function float(random: Random, loose: boolean): string {
  const bytes = new DataView(new ArrayBuffer(8))
  bytes.setUint32(0, random.bits())
  bytes.setUint32(4, random.bits())
  const any = bytes.getFloat64(0)
  const near = (random.bits() / 2 ** 32) * 10 ** (random.below(40) - 20)
  const number = Number.isFinite(any) && random.chance(0.5) ? any : near
  if (!loose) return String(number)
  return random.pick([
    String(number),
    number.toExponential(),
    number.toExponential().toUpperCase(),
    `${random.below(1000)}.500`,
    '-0',
    '1e5',
  ])
}

function gap(random: Random, loose: boolean): string {
  return loose && random.chance(0.2) ? random.pick([' ', '\n', '\t', '\r\n', '   ']) : ''
}
