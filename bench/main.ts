/** npm run bench: see `--help`, and docs/bench.md for what was measured. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { makeBench } from './bench.ts'
import type { Row } from './bench.ts'
import { helpText, readOptions } from './options.ts'
import { tableOf } from './report.ts'
import type { RowResult } from './result.ts'
import { bundlesRow } from './rows/fetches.ts'
import { eventsRow } from './rows/events.ts'
import { publishRow } from './rows/publish.ts'
import { queueRow } from './rows/queue.ts'
import { serversRow } from './rows/servers.ts'
import { sizeRow } from './rows/sizes.ts'
import { findReference } from './subjects/reference-node.ts'

const ROWS: Readonly<Record<string, { what: string; run: Row }>> = {
  'events-10': { what: 'events accepted and applied, 10 a batch', run: eventsRow({ row: 'events-10', batch: 10 }) },
  'events-1': { what: 'events accepted and applied, 1 a batch', run: eventsRow({ row: 'events-1', batch: 1 }) },
  'bundles-1': { what: 'bundles/fetch of 1', run: bundlesRow(1) },
  'bundles-100': { what: 'bundles/fetch of 100', run: bundlesRow(100) },
  'size-1k': { what: 'with 1,000 bundles: rids/fetch, one more event, restart, memory', run: sizeRow(1_000) },
  'size-50k': { what: 'the same with 50,000', run: sizeRow(50_000) },
  'size-1m': { what: 'the same with 1,000,000 (ours and the floor alone)', run: sizeRow(1_000_000) },
  'servers-1': { what: 'events-10 into one process on Redis and Postgres', run: serversRow(1) },
  'servers-2': { what: 'the same into two processes of one node', run: serversRow(2) },
  'servers-4': { what: 'the same into four', run: serversRow(4) },
  queue: { what: 'a wake-up by BullMQ, ours and bare', run: queueRow },
  publish: { what: 'a change published until an MCP client is told', run: publishRow },
}

const say = (text: string): void => void process.stderr.write(`${text}\n`)

/** What the figures depend on. */
function machine(folder: string): Record<string, string | number> {
  const found = findReference()
  let fileSystem = 'unknown'
  try {
    fileSystem = execFileSync('stat', ['-f', '-c', '%T', folder], { encoding: 'utf8' }).trim()
  } catch {
    // Not every system has this `stat`.
  }
  return {
    at: new Date().toISOString(),
    cpu: `${cpus().length} × ${cpus()[0]?.model.trim()}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch}`,
    fileSystem,
    node: process.version,
    reference: 'python' in found ? `koi-net ${found.version}` : `none: ${found.missing}`,
  }
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), Object.keys(ROWS))
  if (options.help) {
    process.stdout.write(helpText(Object.fromEntries(Object.entries(ROWS).map(([name, { what }]) => [name, what]))))
    return 0
  }
  const folder = await mkdtemp(join(tmpdir(), 'koi-bench-'))
  const since = performance.now()
  const about = machine(folder)
  const bench = makeBench({
    ...options,
    folder,
    say: (text) => say(`  ${seconds(since)} ${text}`),
  })
  if ('why' in bench.reference) say(`Without the reference: ${bench.reference.why}`)
  const results: RowResult[] = []
  let failed = false
  try {
    for (const name of options.only) {
      say(`${seconds(since)} ${name}`)
      try {
        results.push(...(await ROWS[name]!.run(bench)))
      } catch (error) {
        failed = true
        say(`${name} FAILED: ${error instanceof Error ? error.stack : String(error)}`)
      }
    }
  } finally {
    await bench.floor.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ machine: about, results }, null, 2)}\n`)
  else {
    const lines = Object.entries(about).map(([name, value]) => `${name}: ${value}`)
    process.stdout.write(`\n${lines.join('\n')}\n\n${tableOf(results)}\n\nin ${seconds(since)}\n`)
  }
  return failed ? 1 : 0
}

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(0).padStart(4)} s`

try {
  process.exitCode = await main()
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 2
}
