import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { asRid, contentsOf, generateBundle } from '@koi-mcp/protocol'
import { NO_EMISSIONS } from './node-store.ts'
import type { NewArrival, NodeStore } from './node-store.ts'
import { openSqliteStore } from './sqlite-store.ts'
import type { SqliteStoreOptions } from './sqlite-store.ts'

const PEER = asRid(`orn:koi-net.node:peer+${'a'.repeat(64)}`)

function arrivalOf(reference: string, contents: object = { reference }): NewArrival {
  const rid = asRid(`orn:data-catalog.dataset:${reference}`)
  return { rid, eventType: 'NEW', source: PEER, ...generateBundle(rid, contentsOf(contents), '2026-01-01T00:00:00Z') }
}

describe('openSqliteStore', () => {
  let folder: string
  let path: string
  const opened: NodeStore[] = []
  const children: ChildProcess[] = []

  const open = async (options: Partial<SqliteStoreOptions> = {}) => {
    const store = await openSqliteStore({ path, ...options })
    opened.push(store)
    return store
  }
  /** Another process that opens the store, runs the code with it, says a line, and stays. */
  const otherProcess = async (code: string) => {
    const module = new URL('sqlite-store.ts', import.meta.url).href
    const script = `
      const { openSqliteStore } = await import(${JSON.stringify(module)})
      const store = await openSqliteStore({ path: ${JSON.stringify(path)} })
      ${code}
      setInterval(() => undefined, 1000)`
    const args = ['--no-warnings', '--conditions=@koi-mcp/source', '--input-type=module', '-e', script]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    return { child, line: line.toString().trim() }
  }
  const kill = async (child: ChildProcess) => {
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'koi-sqlite-'))
    path = join(folder, 'deep', 'state', 'knowledge.db')
  })
  afterEach(async () => {
    for (const child of children.splice(0)) if (child.exitCode === null && child.signalCode === null) await kill(child)
    await Promise.all(opened.splice(0).map((store) => store.close()))
    rmSync(folder, { recursive: true, force: true })
  })

  describe('the owner of the file', () => {
    it('is one: a second opener in the same process is refused, and the first one works on', async () => {
      const first = await open()
      await first.setValue('k', '1')
      await expect(open()).rejects.toMatchObject({
        code: 'BUSY',
        message: expect.stringContaining(`this process (${process.pid})`),
      })
      await first.setValue('k', '2')
      await expect(open()).rejects.toMatchObject({ code: 'BUSY' })
      await first.close()
      expect(await (await open()).getValue('k')).toBe('2')
    })

    it('is named to an opener in another process, and gone when it dies', async () => {
      const { child } = await otherProcess(`console.log('open')`)
      const refused = open()
      await expect(refused).rejects.toMatchObject({ code: 'BUSY' })
      await expect(refused).rejects.toThrow(`${path} is in use by process ${child.pid}: stop that one first`)
      await kill(child)
      await (await open()).setValue('k', 'v')
    })

    it('alone may read and write it, in a folder that others may look into', async () => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
      const store = await open()
      await store.setValue('k', 'v')
      const files = readdirSync(dirname(path))
      expect(files.sort()).toEqual(['', '-wal', '.lock', '.owner'].map((end) => `knowledge.db${end}`).sort())
      for (const name of files) expect(statSync(join(dirname(path), name)).mode & 0o777).toBe(0o600)
    })

    it('leaves no note and no other file behind when it closes', async () => {
      const store = await open()
      expect(existsSync(`${path}.owner`)).toBe(true)
      await store.setValue('k', 'v')
      await store.close()
      expect(existsSync(`${path}.owner`)).toBe(false)
      expect(existsSync(`${path}-wal`)).toBe(false)
    })
  })

  it('has everything that was acknowledged before a kill -9', async () => {
    const arrivals = Array.from({ length: 50 }, (_, index) => ({
      rid: `orn:data-catalog.dataset:${index}`,
      eventType: 'NEW',
      contents: { text: `{"n":${index}.0}`, value: { n: index } },
    }))
    const { child, line } = await otherProcess(`
      const { places } = await store.accept(${JSON.stringify(arrivals)})
      const lease = (await store.takeLanes('w', 60000, 1))[0]?.lease
      const { place, manifest, contents } = await store.nextArrival(lease)
      const change = { kind: 'write', normalizedEventType: 'NEW', bundle: { manifest, contents } }
      await store.apply(lease, place, change, { arrivals: [], sends: [] })
      console.log(JSON.stringify(places))`)
    await kill(child)
    const store = await open()
    const places = JSON.parse(line) as number[]
    expect(places).toHaveLength(50)
    expect((await store.inboxState()).pending).toBe(50)
    for (const [index, place] of places.entries()) {
      const lease = (await store.takeLanes('w', 60_000, 1))[0]?.lease
      const arrival = await store.nextArrival(lease!)
      expect(arrival).toMatchObject({ place, phase: index === 0 ? 'network' : 'received' })
      expect(arrival?.contents?.text).toBe(`{"n":${index}.0}`)
    }
    const cached = await store.listBundles()
    expect(cached.map((one) => one.bundle.contents.text)).toEqual(['{"n":0.0}'])
  })

  describe('files that it refuses', () => {
    it('no SQLite file', async () => {
      path = join(folder, 'knowledge.db')
      writeFileSync(path, 'this is no database'.repeat(1000))
      await expect(open()).rejects.toMatchObject({ code: 'DAMAGED', message: expect.stringContaining(path) })
      expect(readFileSync(path, 'utf8')).toBe('this is no database'.repeat(1000))
    })

    it('another application’s SQLite file, left as it was', async () => {
      path = join(folder, 'knowledge.db')
      const other = new DatabaseSync(path)
      other.exec('CREATE TABLE theirs (a)')
      other.close()
      const before = readFileSync(path)
      await expect(open()).rejects.toMatchObject({
        code: 'DAMAGED',
        message: expect.stringContaining('not a KOI-MCP store'),
      })
      expect(readFileSync(path).equals(before)).toBe(true)
    })

    it('a file that lost its end', async () => {
      const store = await open()
      await store.accept(Array.from({ length: 200 }, (_, index) => arrivalOf(`${index}`, { text: 'x'.repeat(1000) })))
      await store.close()
      truncateSync(path, Math.trunc(statSync(path).size / 2 / 4096) * 4096)
      const use = async () => {
        const damaged = await open()
        for (;;) {
          const lease = (await damaged.takeLanes('w', 60_000, 1))[0]?.lease
          if (lease === undefined) return
          await damaged.nextArrival(lease)
        }
      }
      await expect(use()).rejects.toMatchObject({ code: 'DAMAGED', message: expect.stringContaining(path) })
    })

    it('a newer format, left as it was', async () => {
      await (await open()).close()
      const newer = new DatabaseSync(path)
      newer.exec('PRAGMA user_version = 99')
      newer.close()
      const before = readFileSync(path)
      await expect(open()).rejects.toMatchObject({
        code: 'NEWER_FORMAT',
        message: expect.stringContaining('format 99'),
      })
      expect(readFileSync(path).equals(before)).toBe(true)
    })

    it('a place where no file can be', async () => {
      writeFileSync(join(folder, 'file'), '')
      path = join(folder, 'file', 'knowledge.db')
      await expect(open()).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringContaining(join(folder, 'file')),
      })
      path = folder
      await expect(open()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    })
  })

  describe('commits', () => {
    beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
    afterEach(() => void vi.useRealTimers())

    it('are shared by the steps asked for in one turn', async () => {
      const commits: number[] = []
      const store = await open({ onCommit: ({ steps }) => commits.push(steps) })
      const answers = await Promise.all(['a', 'b', 'c'].map((reference) => store.accept([arrivalOf(reference)])))
      expect(commits).toEqual([3])
      expect(answers.map((answer) => answer.places)).toEqual([[1], [2], [3]])
      await store.accept([arrivalOf('d')])
      expect(commits).toEqual([3, 1])
    })

    it('are bounded in rows', async () => {
      const commits: number[] = []
      const store = await open({ path: ':memory:', onCommit: ({ steps }) => commits.push(steps) })
      const many = Array.from({ length: 800 }, (_, index) => arrivalOf(`${index}`))
      await Promise.all([many, many, many, [arrivalOf('last')]].map((arrivals) => store.accept(arrivals)))
      expect(commits.reduce((sum, steps) => sum + steps)).toBe(4)
      expect(Math.max(...commits)).toBeLessThan(3)
    })

    it('leave out a step that fails, and nothing of the others', async () => {
      const commits: object[] = []
      const store = await open({ onCommit: (report) => commits.push(report) })
      const lost = { lane: 'x', owner: 'w', token: 1 }
      const answers = await Promise.allSettled([
        store.accept([arrivalOf('a')]),
        store.finish(lost, 1, NO_EMISSIONS),
        store.setValue('k', 'v'),
      ])
      expect(answers.map((answer) => answer.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
      expect(commits).toEqual([{ steps: 3, written: 2 }])
      expect((await store.inboxState()).pending).toBe(1)
      expect(await store.getValue('k')).toBe('v')
    })

    it('undo what a failing step had done, emissions included', async () => {
      const store = await open()
      await store.accept([arrivalOf('a')])
      const lease = (await store.takeLanes('w', 60_000, 1))[0]?.lease
      const { place, manifest, contents } = (await store.nextArrival(lease!))!
      const change = {
        kind: 'write',
        normalizedEventType: 'NEW',
        bundle: { manifest: manifest!, contents: contents! },
      } as const
      const target = Symbol() as unknown as typeof PEER
      const send = { target, rid: arrivalOf('b').rid, eventType: 'NEW', eventText: '{}' } as const
      const emissions = { arrivals: [arrivalOf('b')], sends: [send] }
      await expect(store.apply(lease!, place, change, emissions)).rejects.toThrow()
      expect(await store.inboxState()).toMatchObject({ pending: 1 })
      expect(await store.listRids()).toEqual([])
      expect(await store.lastChange()).toBe(0)
      expect((await store.search('a')).total).toBe(0)
      expect(await store.outboxState()).toEqual([])
      await store.apply(lease!, place, change, NO_EMISSIONS)
      expect((await store.search('a')).total).toBe(1)
    })
  })

  it('says when the disk is full, keeps what it had, and works on with what fits', async () => {
    const store = await open({ maxPages: 120 })
    let accepted = 0
    const fill = async () => {
      for (;;) {
        await store.accept([arrivalOf(`${accepted}`, { text: 'x'.repeat(20_000) })])
        accepted++
      }
    }
    await expect(fill()).rejects.toMatchObject({ code: 'FULL', message: expect.stringContaining('free space') })
    expect(accepted).toBeGreaterThan(5)
    const answers = await Promise.allSettled([
      store.setValue('before', 'v'),
      store.accept([arrivalOf('big', { text: 'x'.repeat(200_000) })]),
      store.setValue('after', 'v'),
    ])
    expect(answers.map((answer) => answer.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((await store.inboxState()).pending).toBe(accepted)
    expect((await store.listValues('')).size).toBe(2)
    await store.close()
    expect((await (await open()).inboxState()).pending).toBe(accepted)
  })

  it('waits for no listener: one that throws harms nobody', async () => {
    const store = await open()
    const heard: object[] = []
    store.onWake(() => {
      throw new Error('listener')
    })
    store.onWake((wake) => heard.push({ ...wake }))
    await store.accept([arrivalOf('a')])
    expect(heard).toEqual([{ changes: false, inbox: true, outbox: false }])
  })
})
