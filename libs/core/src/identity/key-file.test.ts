import { generateKeyPairSync } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { publicKeyOf } from '@koi-mcp/protocol'
import { recordingLogger } from '../../test/peers.ts'
import { silentLogger } from '../logger.ts'
import { createKey, loadKey } from './key-file.ts'

describe('the private key’s file', () => {
  let folder: string
  let path: string
  const load = (password?: string) => loadKey(path, password, silentLogger)

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'koi-key-'))
    path = join(folder, 'node', 'private.pem')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it.each([undefined, 'a password'])('is made for its owner alone and read again (password: %s)', async (password) => {
    expect(await load(password)).toBeUndefined()
    const key = await createKey(path, password)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(folder, 'node'))).toEqual(['private.pem'])
    expect((await load(password))?.equals(key!)).toBe(true)
    expect(publicKeyOf(key!).asymmetricKeyType).toBe('ec')
  })

  it('is refused with the fix where it cannot be opened, and left as it was', async () => {
    await createKey(path, 'the right one')
    const bytes = readFileSync(path)
    await expect(load('a wrong one')).rejects.toMatchObject({
      code: 'KEY_FILE',
      message: expect.stringMatching(new RegExp(`^cannot open the private key ${path}: .*password`, 'u')),
    })
    await expect(load()).rejects.toThrow(
      `cannot open the private key ${path}: it is encrypted; give its password (KOI_MCP_NODE__PRIVATE_KEY_PASSWORD)`,
    )
    expect(readFileSync(path).equals(bytes)).toBe(true)
    for (const damaged of ['', 'no key', bytes.toString().slice(0, 90)]) {
      writeFileSync(path, damaged)
      await expect(load('the right one')).rejects.toMatchObject({ code: 'KEY_FILE' })
      await expect(load()).rejects.toMatchObject({ code: 'KEY_FILE' })
      expect(readFileSync(path, 'utf8')).toBe(damaged)
    }
  })

  it('is refused where everybody may use it, and warned of where a group may', async () => {
    await createKey(path, undefined)
    chmodSync(path, 0o644)
    await expect(load()).rejects.toThrow(`everybody on this machine may use the private key ${path}: chmod 600 ${path}`)
    chmodSync(path, 0o640)
    const log = recordingLogger()
    expect(await loadKey(path, undefined, log)).toBeDefined()
    expect(log.lines).toEqual([
      { level: 'warn', message: `the group of the private key's file may use it: chmod 600 ${path}`, fields: { path } },
    ])
  })

  // Nobody else may give a file away.
  it.runIf(process.getuid?.() === 0)('is read by its group without a word where it is another user’s', async () => {
    await createKey(path, undefined)
    chmodSync(path, 0o440)
    chownSync(path, 65_532, 0)
    const log = recordingLogger()
    expect(await loadKey(path, undefined, log)).toBeDefined()
    expect(log.lines).toEqual([])
    chmodSync(path, 0o444)
    await expect(load()).rejects.toThrow('everybody on this machine may use the private key')
  })

  it('is opened in the form that Helm’s templates make it in', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 })
    expect((await load())?.equals(privateKey)).toBe(true)
  })

  it('is refused in words where it cannot be read or written', async () => {
    mkdirSync(path, { recursive: true })
    await expect(load()).rejects.toThrow(`cannot read the private key ${path}: EISDIR`)
    const below = join(folder, 'file', 'private.pem')
    writeFileSync(join(folder, 'file'), '')
    await expect(createKey(below, undefined)).rejects.toThrow(`cannot write the private key ${below}: `)
  })

  it('is made by one of those who try at once, and stays', async () => {
    const made = await Promise.all(Array.from({ length: 8 }, () => createKey(path, undefined)))
    const [key, ...more] = made.filter((one) => one !== undefined)
    expect(more).toEqual([])
    expect((await load())?.equals(key!)).toBe(true)
    expect(await createKey(path, undefined)).toBeUndefined()
    expect((await load())?.equals(key!)).toBe(true)
    expect(readdirSync(join(folder, 'node'))).toEqual(['private.pem'])
  })
})
