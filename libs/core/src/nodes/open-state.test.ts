import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { silentLogger } from '../logger.ts'
import { openState } from './open-state.ts'

const snapshot = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'base64')]))

/** Only root mounts. */
const mounts = process.platform === 'linux' && process.getuid?.() === 0

describe('a state folder', () => {
  let folder: string
  let state: string
  let mounted: string | undefined
  const open = (name = 'node', keyPassword?: string) =>
    openState(
      { name, state, keyPassword },
      { baseUrl: undefined, provides: { event: [], state: [] }, clock: systemClock, log: silentLogger },
    )
  const used = async () => {
    const { identity, store } = await open()
    await store.close()
    return identity
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'koi-state-'))
    state = join(folder, 'state')
  })
  afterEach(() => {
    if (mounted !== undefined) execFileSync('umount', [mounted])
    mounted = undefined
    rmSync(folder, { recursive: true })
  })

  it('keeps who the node is', async () => {
    const { rid } = await used()
    expect(await used()).toMatchObject({ rid })
  })

  it('without its key is refused, names the node, and gets no key of another', async () => {
    const { rid } = await used()
    rmSync(join(state, 'private.pem'))
    const before = snapshot(state)
    await expect(open()).rejects.toMatchObject({
      code: 'KEY_FILE',
      message: `the private key ${state}/private.pem is missing, and the store beside it belongs to ${rid}: put the key back from a backup (koi-mcp restore), or give this node a folder of its own`,
    })
    expect(Object.keys(snapshot(state))).toEqual(Object.keys(before))
  })

  it('of another node is refused, and stays as it was', async () => {
    await used()
    await expect(open('another')).rejects.toMatchObject({ code: 'NODE_STATE' })
    await expect(used()).resolves.toBeDefined()
  })

  it('with a key that cannot be opened is refused before its store is touched', async () => {
    await used()
    writeFileSync(join(state, 'private.pem'), 'damaged')
    const before = snapshot(state)
    await expect(open()).rejects.toMatchObject({ code: 'KEY_FILE' })
    expect(snapshot(state)).toEqual(before)
  })

  it('that another process uses is refused with who that is, and stays as it was', async () => {
    const { store } = await open()
    const before = snapshot(state)
    await expect(open()).rejects.toMatchObject({
      code: 'BUSY',
      message: expect.stringContaining(`${join(state, 'knowledge.db')} is in use by this process (${process.pid})`),
    })
    expect(snapshot(state)).toEqual(before)
    await store.close()
  })

  it.runIf(mounts)('on a disk without room is refused, and used again when there is room', async () => {
    mkdirSync(state)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', state])
    mounted = state
    const ballast = join(state, 'ballast')
    const fill = () => expect(() => writeFileSync(ballast, Buffer.alloc(2_000_000))).toThrow(/ENOSPC/u)
    fill()
    await expect(open()).rejects.toMatchObject({ code: 'FULL', message: expect.stringContaining('free space') })
    expect(existsSync(join(state, 'private.pem'))).toBe(false)
    rmSync(ballast)
    const { rid } = await used()
    const before = snapshot(state)
    fill()
    await expect(open()).rejects.toMatchObject({ code: 'FULL' })
    rmSync(ballast)
    expect(snapshot(state)).toEqual(before)
    expect(await used()).toMatchObject({ rid })
  })

  it.runIf(mounts)('that is read-only is refused, and used again when it is not', async () => {
    mkdirSync(state)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', state])
    mounted = state
    const { rid } = await used()
    execFileSync('mount', ['-o', 'remount,ro', state])
    const before = snapshot(state)
    await expect(open()).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('is writable') })
    expect(snapshot(state)).toEqual(before)
    execFileSync('mount', ['-o', 'remount,rw', state])
    expect(await used()).toMatchObject({ rid })
  })
})
