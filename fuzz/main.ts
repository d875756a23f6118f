/** npm run fuzz: see `--help`, and docs/fuzz.md for what was found and measured. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { attack, attackTable } from './attacks.ts'
import { run } from './run.ts'

const HELP = `npm run fuzz -- [options]

Sends changed envelopes to real nodes, and checks that each is answered well, that nothing is lost or changed, and what it costs.

  --count N     cases in all, half of them to a node of the default settings, half to one where anyone may change knowledge (200000)
  --seed S      the cases follow from it (by default another each time; it is printed)
  --first I     the first case (0): with --count 2, one case is made again, for each of the two nodes
  --out DIR     where failing cases are saved (fuzz-failures)
  --json        the report as JSON
  --attacks     instead: the worst that goes within the limits, and how long others wait meanwhile
  --only TEXT   of the attacks those with this in their name
  --help
`

const whole = (text: string, name: string): number => {
  if (!/^\d{1,10}$/.test(text)) throw new Error(`--${name} must be a whole number, is ${text}`)
  return Number(text)
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '200000' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
      first: { type: 'string', default: '0' },
      out: { type: 'string', default: join(import.meta.dirname, '../fuzz-failures') },
      json: { type: 'boolean', default: false },
      attacks: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const say = (text: string) => void process.stderr.write(`${text}\n`)
  if (values.attacks) {
    const results = await attack(say, values.only)
    process.stdout.write(`${values.json ? JSON.stringify(results, undefined, 2) : attackTable(results)}\n`)
    return 0
  }
  const seed = whole(values.seed, 'seed')
  const count = Math.ceil(whole(values.count, 'count') / 2)
  say(`seed ${seed}`)
  const reports = []
  for (const authority of ['origin', 'open'] as const) {
    say(`a node of authority ${authority}, ${count} cases…`)
    reports.push(await run({ seed, count, first: whole(values.first, 'first'), authority, failures: values.out, say }))
  }
  const failed = reports.reduce((sum, report) => sum + report.failed, 0)
  if (values.json) process.stdout.write(`${JSON.stringify({ seed, reports }, undefined, 2)}\n`)
  else {
    for (const report of reports) {
      process.stdout
        .write(`\nauthority ${report.authority}: ${report.cases} cases in ${report.seconds} s (${Math.round(report.cases / report.seconds)} a second), ${report.failed} failed
  statuses       ${Object.entries(report.statuses)
    .map(([status, times]) => `${status}: ${times}`)
    .join(', ')}
  kinds          ${Object.entries(report.kinds)
    .map(([kind, times]) => `${kind}: ${times}`)
    .join(', ')}
  event loop     held up for ${report.longestBlock} ms at most; another node's request took ${report.slowestCanary} ms at most
  heap           ${report.heapBefore} MiB before, ${report.heapAfter} MiB after, ${report.heapPeak} MiB at most
  dead letters   ${report.deadLetters}
`)
    }
    process.stdout.write(`\n${failed === 0 ? 'Nothing failed' : `${failed} failed`}; seed ${seed}\n`)
  }
  return failed === 0 ? 0 : 1
}

process.exitCode = await main()
