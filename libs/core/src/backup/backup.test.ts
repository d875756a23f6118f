import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { defineRidType } from '@koi-mcp/protocol'
import { DomainExtension } from '../domain/domain-extension.ts'
import { ConsumerNode } from '../nodes/consumer-node.ts'
import { CoordinatorNode } from '../nodes/coordinator-node.ts'
import type { KoiNode } from '../nodes/koi-node.ts'
import { ProducerNode } from '../nodes/producer-node.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { until } from '../../test/peers.ts'
import { checkBackup, restoreBackup } from './restore-backup.ts'

const NoteRID = defineRidType('orn:notes.note')
class NotesExtension extends DomainExtension {
  readonly name = 'notes'
  override get ridTypes() {
    return [NoteRID]
  }
}

const root = mkdtempSync(join(tmpdir(), 'koi-backup-'))
const fresh = () => mkdtempSync(join(root, 'case-'))
const running: KoiNode[] = []
const up = async <N extends KoiNode>(node: N): Promise<N> => {
  running.push(node)
  await node.start()
  return node
}
const options = (name: string, more: object = {}) => ({
  name,
  baseUrl: 'http://127.0.0.1:0/koi-net',
  domains: [new NotesExtension()],
  ...more,
})
const note = (name: string | number, text = 'x') => ({ rid: NoteRID.of(String(name)), contents: { text } })
const notesOf = (node: KoiNode) => node.store.listRids({ types: [NoteRID.name] })
const restoring = (from: string, state: string, more: { force?: boolean; keyPassword?: string } = {}) =>
  restoreBackup({
    from,
    state,
    keyPassword: more.keyPassword,
    force: more.force === true,
    now: new Date('2026-05-06T07:08:09.123Z'),
  })

afterEach(async () => {
  for (const node of running.splice(0).reverse()) await node.stop()
})
afterAll(() => rmSync(root, { recursive: true }))

describe('a backup', () => {
  it('of a node that publishes meanwhile starts as that node, with all that was acknowledged before, and its subscribers carry on', async () => {
    const folder = fresh()
    const coordinator = await up(new CoordinatorNode(options('coordinator')))
    const firstContact = coordinator.baseUrl!
    const consumer = await up(new ConsumerNode(options('consumer', { firstContact })))
    const producer = await up(new ProducerNode(options('producer', { firstContact, state: join(folder, 'state') })))
    const { rid } = producer.identity
    const baseUrl = producer.baseUrl!
    await until(() => consumer.graph.edge(rid, consumer.identity.rid)?.profile.status === 'APPROVED')
    for (let index = 0; index < 50; index++) await producer.publish(note(index, 'x'.repeat(20_000)))

    let acknowledged = 50
    let enough = false
    const load = (async () => {
      while (!enough) await producer.publish(note(acknowledged++, 'x'.repeat(2_000)))
    })()
    await until(() => acknowledged > 60)
    const before = acknowledged - 1
    const manifest = await producer.backup(join(folder, 'backup'))
    enough = true
    await load
    expect(acknowledged).toBeGreaterThan(before + 1)
    expect(readdirSync(folder).sort()).toEqual(['backup', 'state'])
    expect(readdirSync(join(folder, 'backup')).sort()).toEqual(['knowledge.db', 'koi-mcp-backup.json', 'private.pem'])
    expect(statSync(join(folder, 'backup')).mode & 0o777).toBe(0o700)
    for (const name of readdirSync(join(folder, 'backup')))
      expect(statSync(join(folder, 'backup', name)).mode & 0o777).toBe(0o600)
    expect(manifest).toMatchObject({
      format: 1,
      node_rid: rid,
      parts: [{ name: 'knowledge.db' }, { name: 'private.pem' }],
    })
    expect(await checkBackup(join(folder, 'backup'), undefined)).toEqual(manifest)

    await producer.idle()
    await producer.stop()
    expect(await restoring(join(folder, 'backup'), join(folder, 'restored'))).toEqual({ manifest, movedTo: undefined })
    const again = await up(
      new ProducerNode(options('producer', { firstContact, baseUrl, state: join(folder, 'restored') })),
    )
    await again.idle()
    expect(again.identity.rid).toBe(rid)
    const held = new Set(await notesOf(again))
    for (let index = 0; index < before; index++) expect(held).toContain(NoteRID.of(String(index)))
    expect(held.size).toBeLessThanOrEqual(acknowledged)

    await again.publish(note('after', 'new'))
    await again.publish(note(0, 'changed'))
    const text = async (name: string) => (await consumer.store.read(NoteRID.of(name)))?.bundle.contents.value
    await until(async () => (await text('after')) !== undefined && (await text('0'))?.['text'] === 'changed')
    expect((await notesOf(consumer)).length).toBe(acknowledged + 1)
  })

  it('is refused over anything, and leaves nothing half made', async () => {
    const folder = fresh()
    const node = await up(new ProducerNode(options('producer', { state: join(folder, 'state') })))
    const taken = join(folder, 'taken')
    writeFileSync(taken, 'mine')
    await expect(node.backup(taken)).rejects.toMatchObject({
      code: 'BACKUP',
      message: `${taken} is there already: a backup overwrites nothing. Name a place where nothing is`,
    })
    await expect(node.backup(join(taken, 'below'))).rejects.toThrow(/^The backup .* cannot be made: E/u)
    const stopped = new AbortController()
    stopped.abort(new Error('enough'))
    await expect(node.backup(join(folder, 'b'), stopped.signal)).rejects.toThrow('enough')
    // A file that cannot be read: the state folder lost its key meanwhile.
    rmSync(join(folder, 'state', 'private.pem'))
    await expect(node.backup(join(folder, 'b'))).rejects.toMatchObject({
      code: 'BACKUP',
      message: expect.stringContaining('The backup cannot be written: ENOENT'),
    })
    expect(readdirSync(folder).sort()).toEqual(['state', 'taken'])
    expect(readFileSync(taken, 'utf8')).toBe('mine')
  })

  it('is written only into an empty folder that is this user’s alone', async () => {
    const folder = fresh()
    const node = await up(new ProducerNode(options('producer', { state: join(folder, 'state') })))
    const open = join(folder, 'open')
    mkdirSync(open)
    chmodSync(open, 0o755)
    await expect(node.fillBackup(open)).rejects.toThrow(`${open} is not this user's alone`)
    chmodSync(open, 0o700)
    writeFileSync(join(open, 'file'), '')
    await expect(node.fillBackup(open)).rejects.toThrow(`${open} is not empty`)
    await expect(node.fillBackup(join(folder, 'none'))).rejects.toThrow('is no folder here')
    expect(readdirSync(open)).toEqual(['file'])
  })

  it('ends with an error when the store is closed meanwhile, not with a part of it', async () => {
    const folder = fresh()
    const store = await openSqliteStore({ path: join(folder, 'knowledge.db') })
    const copy = store.copyTo(join(folder, 'copy.db'), new AbortController().signal)
    const ended = copy.then(
      () => 'copied',
      (error: unknown) => String(error),
    )
    await store.close()
    expect(await ended).toContain('The store is being closed')
    await (await openSqliteStore({ path: join(folder, 'knowledge.db') })).close()
  })

  it('of a node in memory is refused', async () => {
    const node = await up(new ProducerNode(options('producer')))
    await expect(node.backup(join(fresh(), 'b'))).rejects.toThrow('give it a state folder')
  })
})

describe('restoring', () => {
  const made = join(root, 'made')
  beforeAll(async () => {
    const node = new ProducerNode(options('producer', { state: join(root, 'node'), keyPassword: 'secret' }))
    await node.publish(note(1))
    await node.idle()
    await node.backup(made)
    await node.stop()
  })
  const copy = () => {
    const folder = join(fresh(), 'backup')
    cpSync(made, folder, { recursive: true })
    return folder
  }
  const edit = (file: string, change: (text: string) => string) =>
    writeFileSync(file, change(readFileSync(file, 'utf8')))

  it.each<[string, string, (folder: string) => void]>([
    ['without its manifest', 'is no backup', (at) => rmSync(join(at, 'koi-mcp-backup.json'))],
    [
      'with half a manifest',
      'is no backup',
      (at) => edit(join(at, 'koi-mcp-backup.json'), (text) => text.slice(0, 90)),
    ],
    [
      'of a newer release',
      'has format 2, and this release reads formats up to 1',
      (at) => edit(join(at, 'koi-mcp-backup.json'), (text) => text.replace('"format": 1', '"format": 2')),
    ],
    [
      'with a manifest that leaves the key out',
      'does not list private.pem',
      (at) => edit(join(at, 'koi-mcp-backup.json'), (text) => text.replace('private.pem', 'other')),
    ],
    ['without its key', 'private.pem is missing', (at) => rmSync(join(at, 'private.pem'))],
    ['with a shorter store', 'bytes instead of', (at) => writeFileSync(join(at, 'knowledge.db'), 'short')],
    [
      'with a changed byte',
      'knowledge.db does not match its hash',
      (at) => {
        const bytes = readFileSync(join(at, 'knowledge.db'))
        bytes[bytes.length - 5000]! ^= 1
        writeFileSync(join(at, 'knowledge.db'), bytes)
      },
    ],
    [
      'under another node’s name',
      'knowledge.db is of orn:koi-net.node:producer+',
      (at) => edit(join(at, 'koi-mcp-backup.json'), (text) => text.replace('producer+', 'another+')),
    ],
  ])('a backup %s is refused, and nothing is made', async (_how, says, damage) => {
    const from = copy()
    damage(from)
    const state = join(fresh(), 'state')
    await expect(restoring(from, state, { keyPassword: 'secret' })).rejects.toMatchObject({
      code: 'BACKUP',
      message: expect.stringContaining(says),
    })
    expect(existsSync(state)).toBe(false)
  })

  it('asks for the password of the key', async () => {
    const state = join(fresh(), 'state')
    await expect(restoring(made, state)).rejects.toMatchObject({ code: 'KEY_FILE', message: /give its password/u })
    await expect(restoring(made, state, { keyPassword: 'wrong' })).rejects.toMatchObject({ code: 'KEY_FILE' })
    expect(existsSync(state)).toBe(false)
  })

  it('refuses a folder in use and one that is not empty, and moves what is there aside when told to', async () => {
    const state = join(fresh(), 'state')
    const other = await up(new ProducerNode(options('other', { state })))
    const { rid } = other.identity
    await expect(restoring(made, state, { keyPassword: 'secret', force: true })).rejects.toMatchObject({ code: 'BUSY' })
    await other.stop()
    const files = readdirSync(state).filter((name) => !name.endsWith('.lock'))
    await expect(restoring(made, state, { keyPassword: 'secret' })).rejects.toMatchObject({
      code: 'BACKUP',
      message: `${state} is not empty: restore into an empty folder, or use --force, which moves what is there into a folder within it`,
    })
    const { movedTo, manifest } = await restoring(made, state, { keyPassword: 'secret', force: true })
    expect(movedTo).toBe(join(state, 'before-restore-20260506T070809Z'))
    expect(readdirSync(movedTo!).sort()).toEqual(files.sort())
    const node = await up(new ProducerNode(options('producer', { state, keyPassword: 'secret' })))
    expect(node.identity.rid).toBe(manifest.node_rid)
    expect(await notesOf(node)).toEqual([NoteRID.of('1')])
    const back = await up(new ProducerNode(options('other', { state: movedTo })))
    expect(back.identity.rid).toBe(rid)
  })
})
