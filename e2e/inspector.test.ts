import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { Network, NODE, place } from './koi-mcp.ts'

const INSPECTOR = fileURLToPath(
  new URL('../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url),
)
const PLANETS = 'orn:data-catalog.dataset:data/the planets.csv'

test.skipIf(!existsSync(INSPECTOR))("the Inspector's command line lists and reads a dataset", async () => {
  const at = await place()
  await writeFile(join(at.data, 'the planets.csv'), 'name,moons\nEarth,1\nMars,2\n')
  const network = await Network.up(at)
  await network.catalogued([PLANETS])
  const inspect = async (...args: string[]): Promise<unknown> => {
    const command = [INSPECTOR, '--cli', network.mcpUrl.href, '--transport', 'http', ...args]
    const { stdout } = await promisify(execFile)(NODE, command, { env: { ...process.env, HOME: at.folder } })
    return JSON.parse(stdout)
  }
  const { resources } = (await inspect('--method', 'resources/list')) as { resources: { uri: string }[] }
  expect(resources.map(({ uri }) => uri)).toContain(PLANETS)
  const { contents } = (await inspect('--method', 'resources/read', '--uri', PLANETS)) as {
    contents: { text: string }[]
  }
  expect(JSON.parse(contents[0]!.text)).toMatchObject({ format: 'csv', rows: 2 })
  const { tools } = (await inspect('--method', 'tools/list')) as { tools: { name: string }[] }
  expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(['search_knowledge', 'get_knowledge']))
})
