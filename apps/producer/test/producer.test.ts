import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '@koi-mcp/core'
import { loadSettings, startService } from '@koi-mcp/platform'
import type { RunningService } from '@koi-mcp/platform'
import { producer } from '../src/producer.ts'

const ODD = 'orn:data-catalog.dataset:data/sub/50% #1*[x]?.csv'

let folder: string
let running: RunningService | undefined

const start = async (env: Record<string, string> = {}) => {
  const settings = loadSettings({
    ...producer,
    env: {
      KOI_MCP_NODE__PORT: '0',
      KOI_MCP_PERSISTENCE__STORAGE_PATH: join(folder, 'state'),
      KOI_MCP_DOMAINS__DATA_CATALOG__CONFIG__FOLDER: join(folder, 'data'),
      ...env,
    },
    readFile: () => undefined,
  })
  running = await startService(producer, settings, silentLogger)
}

const api = async (path: string, init?: RequestInit) => {
  const response = await fetch((running?.service.url ?? '') + path, init)
  return { status: response.status, body: await response.json() }
}
const bundle = (rid: string) => api(`/api/bundle?rid=${encodeURIComponent(rid)}`)
const post = (path: string, body: unknown) =>
  api(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'koi-producer-'))
  await mkdir(join(folder, 'data', 'sub'), { recursive: true })
  await writeFile(join(folder, 'data', 'sub', '50% #1*[x]?.csv'), 'id,name\n1,a\n2,b\n')
})
afterEach(async () => {
  await running?.stop()
  running = undefined
  await rm(folder, { recursive: true })
})

describe('the producer', () => {
  it('catalogues a folder, and follows it', async () => {
    await start()
    await expect.poll(async () => (await bundle(ODD)).status).toBe(200)
    expect((await bundle(ODD)).body).toMatchObject({
      rid: ODD,
      origin: null,
      contents: { format: 'csv', rows: 2, columns: [{ name: 'id' }, { name: 'name' }] },
    })
    await rm(join(folder, 'data', 'sub', '50% #1*[x]?.csv'))
    await expect.poll(async () => (await bundle(ODD)).status).toBe(404)
  })

  it('forgets what it catalogued before when it is given another folder', async () => {
    await start()
    await expect.poll(async () => (await bundle(ODD)).status).toBe(200)
    await running?.stop()
    await mkdir(join(folder, 'other'))
    await writeFile(join(folder, 'other', 'new.csv'), 'id\n1\n')
    await start({ KOI_MCP_DOMAINS__DATA_CATALOG__CONFIG__FOLDER: join(folder, 'other') })
    const found = 'orn:data-catalog.dataset:other/new.csv'
    await expect.poll(async () => (await bundle(found)).status).toBe(200)
    await expect.poll(async () => (await bundle(ODD)).status).toBe(404)
    const left = async () => ((await api('/api/rids?types=orn:data-catalog.schema')).body as { rids: unknown[] }).rids
    await expect.poll(left).toHaveLength(1)
  })

  it('publishes and forgets what is given to it', async () => {
    await start()
    const published = await post('/publish', {
      schema: 'DatasetMetadata',
      object: { name: 'sales', format: 'parquet' },
    })
    expect(published).toEqual({
      status: 200,
      body: { rid: 'orn:data-catalog.dataset:published/sales', place: expect.any(Number) },
    })
    const rid = 'orn:data-catalog.dataset:published/sales'
    await expect.poll(async () => (await bundle(rid)).status).toBe(200)
    expect(await post('/forget', { rid })).toEqual({ status: 200, body: { rid } })
    await expect.poll(async () => (await bundle(rid)).status).toBe(404)
  })

  it('says which fields of an object do not fit', async () => {
    await start()
    const refused = await post('/publish', { schema: 'DatasetMetadata', object: { name: 1, rows: -1 } })
    expect(refused).toMatchObject({ status: 400, body: { fields: [{ path: 'name' }, { path: 'rows' }] } })
    expect(await post('/publish', { rid: 'orn:a.b:' + 'x'.repeat(200), contents: {} })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('187') },
    })
  })

  it('says that its folder is missing, and what to do', async () => {
    await rm(join(folder, 'data'), { recursive: true })
    await expect(start()).rejects.toThrow(
      `the folder ${join(folder, 'data')} does not exist; name a folder of data files: see domains.data_catalog.config.folder (KOI_MCP_DOMAINS__DATA_CATALOG__CONFIG__FOLDER)`,
    )
  })

  it('knows what its domain may be told', () => {
    const prefix = 'KOI_MCP_DOMAINS__DATA_CATALOG__CONFIG'
    const env = { [`${prefix}__FOLDER`]: '7', [`${prefix}__SOURCE`]: 'a/b', [`${prefix}__FODLER`]: 'x' }
    const path = 'domains.data_catalog.config'
    expect(() => loadSettings({ ...producer, env, readFile: () => undefined })).toThrow(
      [
        'The configuration has 3 problems:',
        `  ${path}.folder (${prefix}__FOLDER) must be the path of a folder. Example: /data`,
        `  ${path}.source (${prefix}__SOURCE) must be text without / of at most 64 bytes. Example: sales`,
        `  ${path}.fodler (${prefix}__FODLER) is not known; known are folder, source.`,
      ].join('\n'),
    )
  })
})
