import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { DuckDBInstance } from '@duckdb/node-api'
import { describe, expect, it, onTestFinished } from 'vitest'
import { dataFolder, write } from '../testing/data-folder.ts'
import { formatOf } from './file-format.ts'
import { profileTable } from './profile-table.ts'
import { TableEngine } from './table-engine.ts'
import { TableError } from './table-error.ts'

const never = new AbortController().signal

async function openEngine(folder: string, memoryLimit = '512MB'): Promise<TableEngine> {
  const engine = await TableEngine.open({ folder, memoryLimit })
  onTestFinished(() => engine.close())
  return engine
}

/** The profile of one file as `rows: name type, …`, or the error as its code and message. */
async function profiled(name: string, content: string | Uint8Array): Promise<string> {
  const folder = await dataFolder()
  const file = await write(folder, name, content)
  return await profileOf(await openEngine(folder), file)
}

async function profileOf(engine: TableEngine, file: string): Promise<string> {
  try {
    const { columns, rows } = await profileTable(engine, file, formatOf(file)!, never)
    return `${rows}: ${columns.map(({ name, type }) => `${name} ${type}`).join(', ')}`
  } catch (error) {
    if (error instanceof TableError) return `${error.code} ${error.message}`
    throw error
  }
}

async function parquet(folder: string, name: string, query: string): Promise<string> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`COPY (${query}) TO '${join(folder, name)}' (FORMAT parquet)`)
  connection.closeSync()
  instance.closeSync()
  return join(folder, name)
}

function lines(count: number, line: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => `${line(index)}\n`).join('')
}

describe('CSV and TSV', () => {
  it.each([
    [
      'types',
      'id,name,mass,born,seen,ok\n1,a,1.5,2020-01-02,2020-01-02 10:00:00,true\n2,b,2,2021-03-04,,false\n',
      '2: id BIGINT, name VARCHAR, mass DOUBLE, born DATE, seen TIMESTAMP, ok BOOLEAN',
    ],
    ['quotes and line ends in values', 'a,b\n1,"x\ny, z"\n2,"he said ""hi"""\n', '2: a BIGINT, b VARCHAR'],
    ['semicolons', 'a;b\n1;x\n2;y\n', '2: a BIGINT, b VARCHAR'],
    ['CRLF', 'a,b\r\n1,x\r\n2,y\r\n', '2: a BIGINT, b VARCHAR'],
    ['no end of line at the end', 'a,b\n1,x\n2,y', '2: a BIGINT, b VARCHAR'],
    ['a byte order mark', '\ufeffa,b\n1,x\n2,y\n', '2: a BIGINT, b VARCHAR'],
    ['a header alone', 'a,b,c\n', '0: a VARCHAR, b VARCHAR, c VARCHAR'],
    ['a single column', 'name\nx\ny\n', '2: name VARCHAR'],
    ['days before months', 'd,n\n13/02/2020,1\n14/02/2020,2\n', '2: d DATE, n BIGINT'],
    ['rows of differing length', 'a,b,c\n1,2\n3,4,5\n6\n', '3: a BIGINT, b BIGINT, c BIGINT'],
    [
      'names that need quoting',
      'a"b,"c, d",select,ü 😀\n1,2,3,4\n5,6,7,8\n',
      '2: a"b BIGINT, c, d BIGINT, select BIGINT, ü 😀 BIGINT',
    ],
  ])('reads %s', async (_what, content, expected) => {
    expect(await profiled('t.csv', content)).toBe(expected)
  })

  it('reads tabs, with commas in the values', async () => {
    expect(await profiled('t.tsv', 'a\tb\n1\tx,y\n2\tz,w\n')).toBe('2: a BIGINT, b VARCHAR')
  })

  it('reads Latin-1 and UTF-16, also when that shows late', async () => {
    expect(await profiled('t.csv', Buffer.from('name,city\nJosé,München\n', 'latin1'))).toBe(
      '1: name VARCHAR, city VARCHAR',
    )
    expect(await profiled('t.csv', Buffer.from('\ufeffa,b\n1,ü\n', 'utf16le'))).toBe('1: a BIGINT, b VARCHAR')
    const late = Buffer.from(`a,b\n${lines(20_000, (index) => `${index},x`)}1,Zürich\n`, 'latin1')
    expect(await profiled('t.csv', late)).toBe('20001: a BIGINT, b VARCHAR')
  })

  it('widens a type that does not hold to the end', async () => {
    const head = `whole,number,text,day,time\n${lines(60_000, () => '1,1,1,2020-01-01,2020-01-01')}`
    expect(await profiled('t.csv', `${head}2,1.5,n/a,soon,2020-01-01 10:00:00\n`)).toBe(
      '60001: whole BIGINT, number DOUBLE, text VARCHAR, day VARCHAR, time TIMESTAMP',
    )
  })
})

describe('JSON', () => {
  it.each([
    ['t.json', '[{"a":1,"b":{"c":[1,2]}},{"a":2.5,"d":"x"}]', '2: a DOUBLE, b STRUCT(c BIGINT[]), d VARCHAR'],
    ['t.json', '  \n[\n  {"a": 1}\n]\n', '1: a BIGINT'],
    ['t.json', '\ufeff[{"a":1}]', '1: a BIGINT'],
    ['t.json', '{"a":1}\n{"a":2}\n', '2: a BIGINT'],
    ['t.jsonl', '{"a":1}\n\n{"a":"x"}\n{"b":true}', '3: a JSON, b BOOLEAN'],
    ['t.ndjson', '{"a":"2020-01-01"}\n', '1: a DATE'],
  ])('%s: %j', async (name, content, expected) => {
    expect(await profiled(name, content)).toBe(expected)
  })
})

describe('Parquet', () => {
  it('is described by what it says of itself', async () => {
    const folder = await dataFolder()
    const file = await parquet(
      folder,
      't.parquet',
      'SELECT range AS id, range::VARCHAR AS name, {x: 1.5::DOUBLE} AS at FROM range(5000)',
    )
    expect(await profileOf(await openEngine(folder), file)).toBe('5000: id BIGINT, name VARCHAR, at STRUCT(x DOUBLE)')
  })
})

describe('what is no table', () => {
  const png = Buffer.from('89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489', 'hex')
  const geojson = '{"type":"FeatureCollection","features":[{"type":"Feature","geometry":null,"properties":{}}]}'
  it.each<[string, string | Uint8Array, string]>([
    ['a.csv', '', 'no_table is empty'],
    ['a.csv', ' \n\n', 'no_table is empty'],
    ['picture.csv', png, 'no_table is binary, not text'],
    ['picture.tsv', png, 'no_table is binary, not text'],
    ['picture.json', png, 'no_table is binary, not text'],
    ['picture.parquet', png, 'no_table is not Parquet (it does not begin with PAR1)'],
    ['a.parquet', '', 'no_table is empty'],
    ['map.json', geojson, 'no_table is GeoJSON, not a table'],
    ['map.json', JSON.stringify(JSON.parse(geojson), null, 2), 'no_table is GeoJSON, not a table'],
    ['package.json', '{"name":"x",\n"version":"1"}', 'no_table is a single JSON object, not an array of objects'],
    ['numbers.json', '[1,2,3]', 'no_table holds no objects with fields'],
    ['mixed.json', '[{"a":1},2]', 'no_table holds no objects with fields'],
    ['none.json', '[]', 'no_table holds no objects with fields'],
    ['text.json', '"hello"', 'no_table is neither an array of objects nor JSON lines'],
    ['l.json', Buffer.from('[{"a":"ü"}]', 'latin1'), 'no_table is not UTF-8, as JSON has to be'],
  ])('%s %j', async (name, content, expected) => {
    expect(await profiled(name, content)).toBe(expected)
  })

  it.each([
    ['cut.json', '[{"a":1},{"a":2'],
    ['bad.jsonl', '{"a":1}\n{"a":\n{"a":3}'],
    ['cut.parquet', 'PAR1xxxxxxxxxxxxxxxxxxxxxxxxxxxx'],
  ])('%s %j: says what is wrong, and names no path', async (name, content) => {
    const folder = await dataFolder()
    const message = await profileOf(await openEngine(folder), await write(folder, name, content))
    expect(message).toMatch(/^no_table cannot be read as a table: \S/)
    expect(message).not.toContain('koi-mcp')
    expect(message).not.toContain('\n')
  })

  it('is a table too when it is damaged behind what was sniffed', async () => {
    const content = `a,b\n${lines(100_000, (index) => `${index},x`)}"never closed\n${lines(100_000, () => '1,y')}`
    expect(await profiled('t.csv', content)).toMatch(/^(no_table cannot be read as a table|\d+: )/)
  })
})

describe('the engine', () => {
  it.each([
    'a b',
    '50%',
    '#1',
    '*',
    '[x]',
    'we[a-z]rd',
    '?',
    "it's",
    '"quoted"',
    'new\nline',
    '\\back',
    '😀',
    '数据',
    'e\u0301',
    '{a,b}',
    '$HOME',
    '-',
    '~',
  ])('takes %j for the name of one file and no other', async (name) => {
    const folder = await dataFolder()
    await write(folder, `in ${name}/decoy x weard a b c.csv`, 'decoy\n1\n')
    await write(folder, `in ${name}/x.csv`, 'decoy\n1\n')
    const file = await write(folder, `in ${name}/${name}.csv`, 'mine\n1\n2\n')
    expect(await profileOf(await openEngine(folder), file)).toBe('2: mine BIGINT')
  })

  it('reads nothing outside its folder, not even through a link', async () => {
    const outside = await dataFolder()
    await write(outside, 'secret.csv', 'secret\n1\n')
    const folder = await dataFolder()
    await symlink(join(outside, 'secret.csv'), join(folder, 'link.csv'))
    const engine = await openEngine(folder)
    expect(await profileOf(engine, join(folder, 'link.csv'))).toMatch(/^unreadable .*operations are disabled/)
    expect(await profileOf(engine, join(outside, 'secret.csv'))).toMatch(/^unreadable .*operations are disabled/)
  })

  it('loads no extensions, writes nothing, and cannot be opened up', async () => {
    const folder = await dataFolder()
    const file = await write(folder, 't.csv', 'a\n1\n')
    const engine = await openEngine(folder)
    const run = (sql: string): Promise<unknown> => engine.with(file, 'csv', never, (table) => table.rows(sql))
    await expect(run('SET enable_external_access = true')).rejects.toThrow('cannot be read')
    await expect(run(`SET memory_limit = '64GB'`)).rejects.toThrow('cannot be read')
    await expect(run('INSTALL spatial')).rejects.toThrow('cannot be read')
    await expect(run(`SELECT * FROM read_csv('https://example.org/a.csv')`)).rejects.toThrow('cannot be read')
    await expect(run(`COPY (SELECT 1) TO '/tmp/koi-mcp-escape.csv'`)).rejects.toThrow('cannot be read')
  })

  it('fails on a file rather than take more memory than it is given', async () => {
    const folder = await dataFolder()
    const file = await write(folder, 't.csv', 'a\n1\n')
    const engine = await openEngine(folder, '64MB')
    const hungry = engine.with(file, 'csv', never, (table) =>
      table.rows('SELECT count(*) FROM (SELECT DISTINCT md5(range::VARCHAR) FROM range(10000000))'),
    )
    await expect(hungry).rejects.toMatchObject({ code: 'unreadable' })
    expect(await profileOf(engine, file)).toBe('1: a BIGINT')
  })

  it('ends a query on the signal', async () => {
    const folder = await dataFolder()
    const file = await write(folder, 't.csv', 'a\n1\n')
    const engine = await openEngine(folder)
    const stopping = new AbortController()
    const endless = engine.with(file, 'csv', stopping.signal, (table) => {
      setImmediate(() => stopping.abort())
      return table.rows('SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b')
    })
    await expect(endless).rejects.toThrow('aborted')
  })
})

// Takes a minute and 2 GB of disk: KOI_MCP_BIG_FILES=1.
it.runIf(process.env['KOI_MCP_BIG_FILES'] === '1')(
  'reads a file of 2 GB within its memory',
  { timeout: 600_000 },
  async () => {
    const folder = await dataFolder()
    const file = join(folder, 'big.csv')
    const block = lines(
      10_000,
      (index) => `${index},customer number ${index},2026-01-01,${index / 4},"words, to fill the line"`,
    )
    const blocks = Math.ceil(2e9 / block.length)
    await writeFile(
      file,
      Readable.from(Iterator.from(['id,name,day,amount,note\n', ...Array<string>(blocks).fill(block)])),
    )
    const before = process.memoryUsage.rss()
    expect(await profileOf(await openEngine(folder, '256MB'), file)).toBe(
      `${blocks * 10_000}: id BIGINT, name VARCHAR, day DATE, amount DOUBLE, note VARCHAR`,
    )
    expect(process.memoryUsage.rss() - before).toBeLessThan(600e6)
  },
)
