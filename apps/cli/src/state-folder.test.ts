import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { OwnedStateFolder, readRunningNetwork } from './state-folder.ts'

let folder: string
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'koi-state-')), 'state')
})
afterEach(() => rm(join(folder, '..'), { recursive: true }))

const gateway = {
  role: 'consumer',
  name: 'mcp-gateway',
  pids: [2],
  url: 'http://127.0.0.1:1',
  koi_net_url: 'k',
  node_rid: 'n',
} as const
const network = { pid: 4711, started: '2026-01-01T00:00:00Z', services: [gateway] }

test('has one owner at a time; the second is told who it is and the fix', async () => {
  const owned = await OwnedStateFolder.own(folder)
  await owned.announce(network)
  await expect(OwnedStateFolder.own(folder)).rejects.toThrow(
    `The state folder ${folder} is in use by process 4711 ("koi-mcp up", at http://127.0.0.1:1). Stop that one, or choose another folder with --state DIR.`,
  )
  owned.release()
  const next = await OwnedStateFolder.own(folder)
  next.release()
})

test('is for its owner alone, and announces a network whole', async () => {
  const owned = await OwnedStateFolder.own(folder)
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
  expect(await readRunningNetwork(folder)).toBeUndefined()
  await owned.announce(network)
  expect(await readRunningNetwork(folder)).toEqual(network)
  expect((await readdir(folder)).filter((name) => name.startsWith('network'))).toEqual(['network.json'])
  await owned.withdraw()
  expect(await readRunningNetwork(folder)).toBeUndefined()
  owned.release()
})

test('a file in its place is refused with the fix', async () => {
  await writeFile(folder, 'x')
  await expect(OwnedStateFolder.own(folder)).rejects.toThrow(/^Cannot make the state folder .*--state DIR/u)
})
