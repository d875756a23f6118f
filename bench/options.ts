import { parseArgs } from 'node:util'
import type { Effort } from './bench.ts'
import { EFFORTS } from './bench.ts'

export interface Options {
  readonly help: boolean
  readonly only: readonly string[]
  readonly effort: Effort
  readonly json: boolean
  /** Folder for CPU profiles of our services. */
  readonly profile: string | undefined
}

/** @throws Error that says what is wrong with the arguments */
export function readOptions(args: readonly string[], rows: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      json: { type: 'boolean', default: false },
      profile: { type: 'string' },
    },
  })
  const only = values.only?.split(',') ?? rows
  const unknown = only.filter((row) => !rows.includes(row))
  if (unknown.length > 0) throw new Error(`--only: there is no row ${unknown.join(', ')}; there are ${rows.join(', ')}`)
  const effort = values.smoke ? EFFORTS.smoke : values.quick ? EFFORTS.quick : EFFORTS.full
  const rounds = values.rounds === undefined ? effort.rounds : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds: must be a whole number above 0')
  return { help: values.help, only, effort: { ...effort, rounds }, json: values.json, profile: values.profile }
}

export const helpText = (rows: Readonly<Record<string, string>>): string => `npm run bench [-- options]

Measures the built services against the real koi-net (KOI_NET_PYTHON, else .venv-koi-net) and against a bare loop, taking
turns. Servers, load generator and loop each have a process of their own; HTTP on loopback, durability full. About a quarter of an hour.

  --only ROW,ROW   these rows alone
  --quick          fewer and shorter rounds, nodes filled with a tenth: about 3 minutes, rough
  --rounds N       how often the sides take turns
  --profile DIR    a CPU profile of each coordinator under load, written there (slows it down)
  --json           the results as JSON on standard output, in place of the table
  --smoke          seconds: shows that the benchmark works, measures nothing

rows
${Object.entries(rows)
  .map(([name, what]) => `  ${name.padEnd(14)} ${what}`)
  .join('\n')}
`
