import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { asRid, contentsOf, generateBundle } from '@koi-mcp/protocol'
import { recordingLogger } from '../../test/peers.ts'
import type { NodeStore } from './node-store.ts'
import { openSqliteStore } from './sqlite-store.ts'

const ARRIVALS = 60
const WAL_HEADER = 32
const WAL_FRAME = 24 + 4096

/** Every file of a folder with its bytes. */
const snapshot = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'base64')]))

const flip = (file: string, at: number, length: number) => {
  const bytes = readFileSync(file)
  for (let index = at; index < at + length; index++) bytes[index]! ^= 0xff
  writeFileSync(file, bytes)
}

const arrivalOf = (reference: string) => {
  const rid = asRid(`orn:data-catalog.dataset:${reference}`)
  const contents = contentsOf({ text: `${reference} ${'x'.repeat(1500)}` })
  return { rid, eventType: 'NEW' as const, ...generateBundle(rid, contents, '2026-01-01T00:00:00Z') }
}

describe('a store that is not as its last owner left it', () => {
  let root: string
  let folder: string
  let path: string
  let stores: NodeStore[] = []

  /** What a process leaves behind that is killed with 60 arrivals acknowledged: most of them in the log alone. */
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'koi-damaged-'))
    const module = new URL('sqlite-store.ts', import.meta.url).href
    const arrivals = Array.from({ length: ARRIVALS }, (_, index) => arrivalOf(`${index}`))
    writeFileSync(join(root, 'arrivals.json'), JSON.stringify(arrivals))
    const script = `
      const arrivals = JSON.parse(process.getBuiltinModule('node:fs').readFileSync(${JSON.stringify(join(root, 'arrivals.json'))}, 'utf8'))
      const { openSqliteStore } = await import(${JSON.stringify(module)})
      const store = await openSqliteStore({ path: ${JSON.stringify(join(root, 'killed', 'knowledge.db'))} })
      for (const arrival of arrivals) await store.accept([arrival])
      process.kill(process.pid, 'SIGKILL')`
    const args = ['--no-warnings', '--conditions=@koi-mcp/source', '--input-type=module', '-e', script]
    await once(spawn(process.execPath, args, { stdio: 'inherit' }), 'exit')
  })
  afterAll(() => rmSync(root, { recursive: true }))
  afterEach(async () => {
    await Promise.all(stores.map((store) => store.close()))
    stores = []
  })

  const copyOf = (name: string) => {
    folder = mkdtempSync(join(root, 'case-'))
    path = join(folder, 'knowledge.db')
    cpSync(join(root, name), folder, { recursive: true })
  }
  const open = async (options: { durability?: 'full' | 'normal' } = {}) => {
    const log = recordingLogger()
    const store = await openSqliteStore({ path, log, ...options })
    stores.push(store)
    return { store, log }
  }
  const refusedAsItWas = async (says: string) => {
    const before = snapshot(folder)
    await expect(open()).rejects.toMatchObject({ code: 'DAMAGED', message: expect.stringContaining(says) })
    expect(snapshot(folder)).toEqual(before)
  }

  it('but killed has all that was acknowledged', async () => {
    copyOf('killed')
    const { store } = await open()
    expect((await store.inboxState()).pending).toBe(ARRIVALS)
  })

  it('but cut off in the last transaction of its log, which nobody was told of, has what is before it', async () => {
    copyOf('killed')
    truncateSync(`${path}-wal`, statSync(`${path}-wal`).size - 100)
    const { store } = await open()
    expect((await store.inboxState()).pending).toBe(ARRIVALS - 1)
  })

  it('but with its first page torn while the log was written into it, is mended from the log', async () => {
    copyOf('killed')
    if (statSync(path).size === 0) writeFileSync(path, Buffer.alloc(4096))
    flip(path, 0, 100)
    const { store } = await open()
    expect((await store.inboxState()).pending).toBe(ARRIVALS)
  })

  describe('is refused, and not a byte of it is changed,', () => {
    it('where acknowledged work stands behind damage in the log', async () => {
      copyOf('killed')
      const frames = (statSync(`${path}-wal`).size - WAL_HEADER) / WAL_FRAME
      flip(`${path}-wal`, WAL_HEADER + Math.trunc(frames / 2) * WAL_FRAME + 600, 8)
      await refusedAsItWas('transactions stand behind a part that cannot be read')
      // Without a sync for each commit, so much may be lost with the power: nothing more was promised.
      const { store, log } = await open({ durability: 'normal' })
      expect(log.lines).toMatchObject([
        { level: 'warn', message: 'what came last in the store cannot be read, and is given up' },
      ])
      const { pending } = await store.inboxState()
      expect([pending > 5, pending < ARRIVALS - 5]).toEqual([true, true])
    })

    it('where the beginning of the log is damaged', async () => {
      copyOf('killed')
      flip(`${path}-wal`, 16, 4)
      await refusedAsItWas('its beginning cannot be read')
    })

    it('where the log is gone', async () => {
      copyOf('killed')
      rmSync(`${path}-wal`)
      await refusedAsItWas('is missing, and the store was not closed')
      expect((await (await open({ durability: 'normal' })).store.inboxState()).pending).toBeLessThan(ARRIVALS)
    })

    it('where the file is empty, and its log is not', async () => {
      copyOf('killed')
      truncateSync(path, 0)
      await refusedAsItWas('it is empty, and its log is not')
    })

    it('where the file lost its end', async () => {
      copyOf('killed')
      await (await open()).store.close()
      truncateSync(path, 5 * 4096 + 77)
      await refusedAsItWas('its end is missing')
    })

    it('where a newer release was killed in the middle of its work', async () => {
      copyOf('killed')
      const { DatabaseSync } = await import('node:sqlite')
      const newer = new DatabaseSync(path)
      newer.exec('PRAGMA user_version = 99')
      // As it is on disk while the newer release runs: the new version stands in the log alone.
      const running = mkdtempSync(join(root, 'running-'))
      cpSync(folder, running, { recursive: true })
      newer.close()
      folder = running
      path = join(folder, 'knowledge.db')
      const before = snapshot(folder)
      await expect(open()).rejects.toMatchObject({
        code: 'NEWER_FORMAT',
        message: expect.stringContaining('format 99'),
      })
      expect(snapshot(folder)).toEqual(before)
    })
  })

  it('and met as such while it runs, takes nothing more, serves what can be read, and is refused by the next start until it is put right', async () => {
    folder = mkdtempSync(join(root, 'case-'))
    path = join(folder, 'knowledge.db')
    const first = await openSqliteStore({ path })
    for (let index = 0; index < ARRIVALS; index++) {
      const { rid, manifest, contents } = arrivalOf(`${index}`)
      await first.accept([{ rid, eventType: 'NEW', manifest, contents }])
      const lease = (await first.takeLanes('w', 60_000, 1))[0]!.lease
      const { place } = (await first.nextArrival(lease))!
      const change = { kind: 'write', normalizedEventType: 'NEW', bundle: { manifest, contents } } as const
      await first.apply(lease, place, change, { arrivals: [], sends: [] })
      await first.finish(lease, place, { arrivals: [], sends: [] })
      await first.releaseLane(lease)
    }
    await first.close()
    const good = readFileSync(path)
    const bad = Buffer.from(good)
    const at = Math.trunc(bad.indexOf('{"text":"30 xxx') / 4096) * 4096
    bad.fill(0xff, at, at + 100)
    writeFileSync(path, bad)

    const { store, log } = await open()
    await expect(store.read(arrivalOf('30').rid)).rejects.toMatchObject({ code: 'DAMAGED' })
    expect(log.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { message: expect.stringContaining('the store is damaged: from now on nothing is written') },
    ])
    await expect(store.accept([arrivalOf('new')])).rejects.toMatchObject({ code: 'DAMAGED' })
    await expect(store.setValue('k', 'v')).rejects.toMatchObject({ code: 'DAMAGED' })
    expect((await store.read(arrivalOf('0').rid))?.bundle.contents.value).toMatchObject({
      text: expect.stringMatching(/^0 x/u),
    })
    await store.close()

    await refusedAsItWas('koi-mcp restore')
    writeFileSync(path, good)
    const { store: again } = await open()
    expect(await again.listRids()).toHaveLength(ARRIVALS)
    expect(existsSync(`${path}.damaged`)).toBe(false)
  })
})
