import { describe, expect, it } from 'vitest'
import type { AdapterTool } from '@koi-mcp/core'
import { ToolInputError } from '@koi-mcp/core'
import { asRid } from '@koi-mcp/protocol'
import { DatasetAdapter } from './dataset-adapter.ts'
import { dataSchemaRid, datasetRid } from './rid-types.ts'
import { FakePublisher } from './testing/fake-publisher.ts'

const adapter = new DatasetAdapter()
const signal = new AbortController().signal

function tool(name: string): AdapterTool {
  return adapter.tools.find((each) => each.name === name)!
}

function call(
  node: FakePublisher,
  name: string,
  args: Record<string, unknown>,
): Promise<Readonly<Record<string, unknown>>> {
  return tool(name).call(args, { knowledge: node.knowledge, signal })
}

interface Listed {
  readonly datasets: readonly { readonly rid: string }[]
  readonly next_cursor?: string
}

/** All pages, and how many it took. */
async function pages(node: FakePublisher, args: Record<string, unknown>): Promise<{ rids: string[]; calls: number }> {
  const rids: string[] = []
  for (let calls = 1, cursor: string | undefined; ; calls++) {
    const page = (await call(node, 'list_datasets', { ...args, ...(cursor ? { cursor } : {}) })) as unknown as Listed
    rids.push(...page.datasets.map(({ rid }) => rid))
    cursor = page.next_cursor
    if (cursor === undefined) return { rids, calls }
  }
}

async function catalogue(): Promise<FakePublisher> {
  const node = new FakePublisher()
  const columns = [
    { name: 'name', type: 'VARCHAR' },
    { name: 'mass_kg', type: 'DOUBLE' },
  ]
  const schema = dataSchemaRid('s', 'x')
  await node.publish({ rid: schema, contents: { name: 'x', columns } })
  const planets = { name: 'planets', description: 'Of the Sun', schema, format: 'csv', rows: 8, bytes: 412, columns }
  await node.publish({ rid: datasetRid('s', 'planets.csv'), contents: planets })
  await node.publish({ rid: datasetRid('s', 'old/planets.csv'), contents: { ...planets, name: 'old planets' } })
  await node.publish({ rid: datasetRid('s', 'm.json'), contents: { name: 'moons', format: 'json', rows: 1 } })
  node.receive(datasetRid('t', 'odd'), { name: 7, columns: ['x', null], rows: 'many' }, asRid('orn:koi-net.node:t+1'))
  return node
}

describe('describe', () => {
  it.each([
    [
      { name: 'planets', description: 'Of the Sun', format: 'csv', rows: 8, bytes: 412 },
      { name: 'planets', description: 'Of the Sun. CSV, 8 rows, 412 bytes' },
    ],
    [
      { name: 'a', rows: 1_234_567, bytes: 3_410_000_000, columns: [{ name: 'x', type: 'y' }] },
      { name: 'a', description: '1,234,567 rows, 1 column (x), 3.41 GB' },
    ],
    [
      { name: 'a', bytes: 12_000 },
      { name: 'a', description: '12 kB' },
    ],
    [
      { name: 'a', bytes: 100_000 },
      { name: 'a', description: '100 kB' },
    ],
    [
      { name: 'a', columns: Array.from({ length: 9 }, (_, index) => ({ name: `c${index}` })), column_count: 5000 },
      { name: 'a', description: '5,000 columns (c0, c1, c2, c3, c4, c5, c6, c7, …)' },
    ],
    [{ name: 'a' }, { name: 'a' }],
    [{ name: 5, columns: 'x' }, undefined],
  ])('%j', (contents, expected) => {
    const node = new FakePublisher()
    node.receive(datasetRid('s', 'a'), contents, asRid('orn:koi-net.node:t+1'))
    expect(adapter.describe([...node.bundles.values()][0]!)).toEqual(expected)
  })
})

describe('list_datasets', () => {
  it('lists all, with what they are', async () => {
    expect(await call(await catalogue(), 'list_datasets', {})).toEqual({
      datasets: [
        { rid: datasetRid('s', 'm.json'), name: 'moons', summary: 'JSON, 1 row' },
        {
          rid: datasetRid('s', 'old/planets.csv'),
          name: 'old planets',
          description: 'Of the Sun',
          summary: 'CSV, 8 rows, 2 columns (name, mass_kg), 412 bytes',
        },
        {
          rid: datasetRid('s', 'planets.csv'),
          name: 'planets',
          description: 'Of the Sun',
          summary: 'CSV, 8 rows, 2 columns (name, mass_kg), 412 bytes',
        },
        { rid: datasetRid('t', 'odd'), name: datasetRid('t', 'odd'), summary: '' },
      ],
    })
  })

  it.each([
    [{ format: 'json' }, ['s/m.json']],
    [{ column: 'MASS' }, ['s/old/planets.csv', 's/planets.csv']],
    [{ text: 'sun' }, ['s/old/planets.csv', 's/planets.csv']],
    [{ text: 'old sun', column: 'name' }, ['s/old/planets.csv']],
    [{ text: 'nowhere' }, []],
    [{ format: 'csv', limit: 1 }, ['s/old/planets.csv', 's/planets.csv']],
  ])('%j', async (args, expected) => {
    const { rids } = await pages(await catalogue(), args)
    expect(rids).toEqual(expected.map((reference) => `orn:data-catalog.dataset:${reference}`))
  })

  it.each([[{}], [{ text: 'thing' }], [{ format: 'csv' }], [{ text: 'thing', format: 'csv' }]])(
    'pages %j without gaps or repetition, and looks at a bounded number a call',
    async (args) => {
      const node = new FakePublisher()
      for (let i = 0; i < 4_321; i++) {
        const contents = { name: `thing ${i}`, format: i % 700 === 0 || i > 4_290 ? 'csv' : 'json' }
        await node.publish({ rid: datasetRid('s', String(i).padStart(4, '0')), contents })
      }
      const { rids, calls } = await pages(node, { ...args, limit: 100 })
      expect(new Set(rids).size).toBe(rids.length)
      expect(rids).toHaveLength('format' in args ? 37 : 4_321)
      expect(calls).toBeGreaterThan(2)
    },
  )

  it.each([
    'x',
    '',
    Buffer.from('{"offset":-1}').toString('base64url'),
    Buffer.from('null').toString('base64url'),
    Buffer.from('{"after":"x"}').toString('base64url'),
  ])('refuses the cursor %j', async (cursor) => {
    await expect(call(await catalogue(), 'list_datasets', { cursor })).rejects.toThrow(ToolInputError)
    await expect(call(await catalogue(), 'list_datasets', { cursor, text: 'sun' })).rejects.toThrow(ToolInputError)
  })
})

describe('describe_dataset', () => {
  it('gives the metadata and the schema', async () => {
    const node = await catalogue()
    const rid = datasetRid('s', 'planets.csv')
    const expected = { rid, dataset: node.contents(rid), schema: node.contents(dataSchemaRid('s', 'x')) }
    expect(await call(node, 'describe_dataset', { rid })).toEqual(expected)
    expect(await call(node, 'describe_dataset', { name: 'planets' })).toEqual(expected)
    expect(await call(node, 'describe_dataset', { rid: datasetRid('t', 'odd') })).toEqual({
      rid: datasetRid('t', 'odd'),
      dataset: { name: 7, columns: ['x', null], rows: 'many' },
      origin: 'orn:koi-net.node:t+1',
    })
  })

  it.each([
    [{}, 'give either rid or name'],
    [{ rid: 'x', name: 'y' }, 'give either rid or name'],
    [{ rid: 'planets.csv' }, 'rid: planets.csv names no dataset; those begin with orn:data-catalog.dataset:'],
    [{ rid: 'orn:data-catalog.dataset:s/none' }, 'the catalogue has no orn:data-catalog.dataset:s/none'],
    [{ name: 'sun' }, 'no dataset is named sun; near it: orn:data-catalog.dataset:s/old/planets.csv'],
    [{ name: '***' }, 'no dataset is named ***; list_datasets shows what there is'],
  ])('%j: tells the model what to change', async (args, message) => {
    const failing = call(await catalogue(), 'describe_dataset', args)
    await expect(failing).rejects.toThrow(message)
    await expect(failing).rejects.toBeInstanceOf(ToolInputError)
  })

  it('asks which, where several have the name', async () => {
    const node = await catalogue()
    await node.publish({ rid: datasetRid('u', 'p'), contents: { name: 'planets' } })
    await expect(call(node, 'describe_dataset', { name: 'planets' })).rejects.toThrow(
      '2 datasets are named planets; give the rid of one: orn:data-catalog.dataset:s/planets.csv, orn:data-catalog.dataset:u/p',
    )
  })
})
