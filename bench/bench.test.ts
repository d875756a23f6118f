/** That the benchmark works, on tiny numbers; what it measures is of no interest here. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { findPostgres, findRedis } from '@koi-mcp/testing'
import { tableOf } from './report.ts'
import { ratioOf, spreadOf } from './result.ts'
import type { RowResult } from './result.ts'
import { findReference } from './subjects/reference-node.ts'

const ROOT = join(import.meta.dirname, '..')
const PATH = process.env['PATH'] ?? ''
const NODE = join(ROOT, 'node_modules/node/bin/node')
const bench = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  promisify(execFile)(NODE, ['--conditions=@koi-mcp/source', 'bench/main.ts', ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
  })

const median = (values: RowResult['ours']): number =>
  'why' in values ? Number.NaN : (spreadOf(values)?.median ?? Number.NaN)

test('the smoke run fills every cell that has a value', async () => {
  const { stdout } = await bench(['--smoke', '--json', '--only', 'events-10,bundles-1,size-1k'])
  const { results } = JSON.parse(stdout) as { results: RowResult[] }
  expect(results.map(({ row, unit }) => `${row} ${unit}`)).toEqual([
    'events-10 events/s',
    'events-10 events/s',
    'events-10 µs/event',
    'bundles-1 requests/s',
    'size-1k requests/s',
    'size-1k µs',
    'size-1k ms',
    'size-1k MiB',
  ])
  const sides = 'python' in findReference() ? (['ours', 'reference'] as const) : (['ours'] as const)
  for (const side of sides) expect(results.filter((result) => !(median(result[side]) > 0))).toEqual([])
  expect(results.filter(({ floor }) => median(floor) > 0).map(({ row }) => row)).toEqual([
    'events-10',
    'events-10',
    'events-10',
    'bundles-1',
    'size-1k',
    'size-1k',
  ])
})

test.skipIf(findPostgres(PATH) === undefined || findRedis(PATH) === undefined)(
  'several processes on servers, and their queue, have a value in every cell that can have one',
  async () => {
    const { stdout } = await bench(['--smoke', '--json', '--only', 'servers-2,queue'])
    const { results } = JSON.parse(stdout) as { results: RowResult[] }
    expect(results.map(({ row }) => row)).toEqual([...Array<string>(3).fill('servers-2'), 'queue', 'queue', 'queue'])
    for (const side of ['ours', 'floor'] as const)
      expect(results.filter((each) => !(median(each[side]) > 0))).toEqual([])
  },
)

test('without the reference it says so, and measures the rest', async () => {
  const { stdout, stderr } = await bench(['--smoke', '--json', '--only', 'publish'], { KOI_NET_PYTHON: '/none' })
  const why = 'there is no /none; set KOI_NET_PYTHON to a Python that has interop/requirements.txt'
  expect(stderr).toContain(`Without the reference: ${why}\n`)
  const [told] = (JSON.parse(stdout) as { results: [RowResult] }).results
  expect(told.reference).toEqual({ why })
  expect(median(told.ours)).toBeGreaterThan(0)
})

test('help names the rows, and an unknown row is refused with those there are', async () => {
  expect((await bench(['--help'])).stdout).toMatch(/^ {2}size-1m +the same with 1,000,000/m)
  await expect(bench(['--only', 'events-11'])).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--only: there is no row events-11; there are events-10, ') as string,
  })
})

test('a ratio pairs the values of one round, and turns where less is better', () => {
  const values = { ours: [20, 10, 40], better: 'more' } as const
  expect(ratioOf(values, [10, 10, 10])).toEqual({ min: 1, median: 2, max: 4 })
  expect(ratioOf({ ...values, better: 'less' }, [10, 10, 10])).toEqual({ min: 0.25, median: 0.5, max: 1 })
  expect(ratioOf(values, { why: 'none' })).toBeUndefined()
  expect(spreadOf([4, 1, 2, 3])).toEqual({ min: 1, median: 2.5, max: 4 })
})

test('the table says why a cell is empty, once', () => {
  const result = {
    row: 'r',
    what: 'w',
    unit: 'u',
    better: 'more',
    ours: [2000],
    reference: { why: 'too large' },
  } as const
  expect(
    tableOf([
      { ...result, floor: [4000] },
      { ...result, floor: { why: 'too large' } },
    ]),
  ).toBe(
    [
      '| row |      | ours                  | reference | ours / reference | floor                 | ours / floor         |',
      '| --- | ---- | --------------------- | --------- | ---------------- | --------------------- | -------------------- |',
      '| r   | w, u | 2,000 (2,000 – 2,000) | – (1)     | –                | 4,000 (4,000 – 4,000) | 50.0 % (50.0 – 50.0) |',
      '| r   | w, u | 2,000 (2,000 – 2,000) | – (1)     | –                | – (1)                 | –                    |',
      '',
      '(1) too large',
    ].join('\n'),
  )
})
