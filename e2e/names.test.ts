import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { byteOrder, koiMcp, Network, place } from './koi-mcp.ts'
import { newerClient, olderClient } from './mcp-clients.ts'

const NAMES = [
  'with spaces in it.csv',
  '50%.csv',
  '50%25.csv',
  'a%20b.csv',
  'a b.csv',
  'issue #1.csv',
  'what?.csv',
  'all*.csv',
  'all1.csv',
  '[x].csv',
  'x.csv',
  'it\'s "quoted".csv',
  'back\\slash.csv',
  'plus+and&more=.csv',
  'größe/naïve.csv',
  '数据/行星.csv',
  'данные.csv',
  'بيانات.csv',
  '🪐 and 🌍.csv',
  '{template}.csv',
  'new\nline.csv',
]

test('a name of any kind names that one file and no other, over MCP and on the command line', async () => {
  const at = await place()
  for (const [index, name] of NAMES.entries()) {
    await mkdir(dirname(join(at.data, name)), { recursive: true })
    // As many rows as its place in the list says: so each file can be told from the others.
    await writeFile(
      join(at.data, name),
      `n,text\n${Array.from({ length: index + 1 }, (_, row) => `${row},x\n`).join('')}`,
    )
  }
  const network = await Network.up(at)
  const ridOf = (name: string): string => `orn:data-catalog.dataset:data/${name}`
  await network.catalogued(NAMES.map(ridOf))

  for (const connect of [olderClient, newerClient]) {
    const client = await connect(network.mcpUrl)
    const listed = (await client.list()).filter((uri) => uri.startsWith('orn:data-catalog.dataset:'))
    expect(listed).toEqual(NAMES.map(ridOf).sort(byteOrder))
    for (const [index, name] of NAMES.entries()) {
      const text = await client.read(ridOf(name))
      expect([name, (JSON.parse(text) as { rows: number }).rows]).toEqual([name, index + 1])
    }
  }
  for (const name of ['50%25.csv', 'issue #1.csv', 'plus+and&more=.csv', 'new\nline.csv', '🪐 and 🌍.csv']) {
    const { out } = await koiMcp(['get', ridOf(name), '--state', at.state, '--json'])
    expect((JSON.parse(out[0]!) as { rid: string; contents: { rows: number } }).contents.rows).toBe(
      NAMES.indexOf(name) + 1,
    )
  }
})
