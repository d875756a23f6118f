/**
 * Random contents, manifests, RIDs, events and payloads, signed by the Python reference and read here, and the other way round; the two must
 * agree on every hash, on every text, and on which envelopes are good.
 *
 *     node --conditions=@koi-mcp/source interop/differential.ts [--count 20000] [--seed N]
 */
import { parseArgs } from 'node:util'
import { asRid } from '@koi-mcp/protocol'
import { compareContents } from './differential/compare-contents.ts'
import { compareMessages } from './differential/compare-messages.ts'
import { Report } from './differential/report.ts'
import { Random } from './random-json.ts'
import { findReference, ReferenceProcess } from './reference-process.ts'

/** Contents in one batch. */
const BATCH = 100
/** Payloads of other kinds beside them. */
const MESSAGES = 25
/** The reference is the slower half: two of its processes keep two cores busy. */
const PROCESSES = 2

/** Takes batches until none is left. A batch is the same for the same seed, whoever takes it. */
async function work(python: string, seed: number, batches: Iterator<[number, number]>, report: Report): Promise<void> {
  const reference = new ReferenceProcess(python)
  try {
    const { rid, public_key } = await reference.ask('node', { name: 'python' })
    const theirs = { rid: asRid(rid), key: public_key }
    for (let next = batches.next(); next.done !== true; next = batches.next()) {
      const [batch, size] = next.value
      const random = new Random(seed + batch)
      await compareContents(reference, theirs, random, size, report)
      await compareMessages(reference, theirs, random, Math.ceil((size * MESSAGES) / BATCH), report)
    }
  } finally {
    await reference.close()
  }
}

function* batchesOf(count: number): Generator<[number, number]> {
  for (let done = 0; done < count; done += BATCH) yield [done / BATCH, Math.min(BATCH, count - done)]
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { count: { type: 'string', default: '20000' }, seed: { type: 'string' } } })
  const count = Number(values.count)
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32))
  if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed)) {
    console.error('usage: differential.ts [--count N] [--seed N]')
    return 2
  }
  const found = findReference()
  if ('missing' in found) {
    console.error(`differential test skipped: ${found.missing}`)
    return process.env['CI'] === 'true' ? 1 : 0
  }
  console.log(`differential: ${count} random contents, --seed ${seed}`)
  const report = new Report()
  const batches = batchesOf(count)
  await Promise.all(Array.from({ length: PROCESSES }, () => work(found.python, seed, batches, report)))
  for (const { kind, input, detail } of report.differences.slice(0, 10)) {
    console.error(`- ${kind}\n    ${input.slice(0, 500)}\n    ${detail.slice(0, 1500)}`)
  }
  const made = [...report.made].map(([kind, many]) => `${many} ${kind}`).join(', ')
  console.log(
    `differential: ${made}; ${report.compared} comparisons, ${report.differences.length} differences (${report.stricter} changed by hand refused here alone)`,
  )
  // Every content was compared, none left out unseen.
  if (report.differences.length === 0 && report.made.get('contents') === count) return 0
  return 1
}

process.exitCode = await main()
