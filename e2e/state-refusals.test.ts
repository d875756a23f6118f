import { chmodSync, cpSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { Command, koiMcp, place } from './koi-mcp.ts'

const snapshot = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'base64')]))

test('a service that cannot use its state folder ends with one line that says why and what to do, and changes nothing', async () => {
  const at = await place()
  const env = { KOI_MCP_NODE__PORT: '0', KOI_MCP_PERSISTENCE__STORAGE_PATH: at.state }
  const good = join(at.folder, 'good')
  const store = join(at.state, 'knowledge.db')
  const key = join(at.state, 'private.pem')

  const first = new Command(['run', '--role', 'coordinator'], { env })
  await first.until(() => first.out.find((line) => line.includes('ready')))
  const refused = async () => {
    const { code, err } = await koiMcp(['run', '--role', 'coordinator'], { env })
    expect([code, err.length]).toEqual([1, 1])
    return err[0]
  }
  expect(await refused()).toBe(
    `koi-mcp coordinator: The store ${store} is in use by process ${first.pid}: stop that one first, or give this node a state folder of its own`,
  )
  first.process.kill('SIGTERM')
  await first.exited
  cpSync(at.state, good, { recursive: true })

  const cases: [string, () => void][] = [
    [
      `The store ${store} has format 99, and this release reads formats up to`,
      () => {
        const newer = new DatabaseSync(store)
        newer.exec('PRAGMA user_version = 99')
        newer.close()
      },
    ],
    [`The store ${store} is damaged: its end is missing`, () => truncateSync(store, statSync(store).size - 4096)],
    [`the private key ${key} is missing, and the store beside it belongs to`, () => renameSync(key, `${key}.lost`)],
    [`cannot open the private key ${key}: `, () => truncateSync(key, 100)],
    [`everybody on this machine may use the private key ${key}: chmod 600 ${key}`, () => chmodSync(key, 0o644)],
  ]
  for (const [says, spoil] of cases) {
    rmSync(at.state, { recursive: true })
    cpSync(good, at.state, { recursive: true })
    spoil()
    const before = snapshot(at.state)
    expect(await refused()).toContain(`koi-mcp coordinator: ${says}`)
    const after = snapshot(at.state)
    // Only where the key is missing is the store opened, to see whose it is.
    expect(Object.keys(after)).toEqual(Object.keys(before))
    expect(after['private.pem']).toBe(before['private.pem'])
    if (!says.includes('is missing, and')) expect(after).toEqual(before)
  }
})
