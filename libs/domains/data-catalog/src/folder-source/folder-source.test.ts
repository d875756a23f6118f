import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFile, mkdir, rename, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { asRid, isRid } from '@koi-mcp/protocol'
import { dataFolder, write } from '../testing/data-folder.ts'
import { FakePublisher } from '../testing/fake-publisher.ts'
import { datasetRid, dataSchemaRid } from '../rid-types.ts'
import { FolderSource } from './folder-source.ts'
import type { FolderSourceOptions } from './folder-source.ts'

const SCHEMA = 'orn:data-catalog.schema'

async function begin(
  folder: string,
  publisher: FakePublisher,
  options: Partial<FolderSourceOptions> = {},
): Promise<FolderSource> {
  const source = new FolderSource({ folder, name: 'test', publisher, stableMs: 30, ...options })
  onTestFinished(() => source.stop())
  await source.start()
  await source.idle()
  return source
}

/** Looks at once instead of waiting for the watcher. */
async function lookAgain(source: FolderSource): Promise<void> {
  await source.rescan()
  await source.idle()
}

function warnings(): { log: FolderSourceOptions['log']; lines: string[] } {
  const lines: string[] = []
  const note = (message: string): void => void lines.push(message)
  return { lines, log: { debug: () => undefined, info: () => undefined, warn: note, error: note } }
}

describe('FolderSource', () => {
  it('publishes the data files of a folder and below, with what is in them', async () => {
    const folder = await dataFolder()
    const planets = await write(folder, 'planets.csv', 'name,moons\nMars,2\nEarth,1\n')
    await write(folder, 'deep/er/m.jsonl', '{"name":"Phobos"}\n{"name":"Deimos"}\n')
    await write(folder, 'notes.txt', 'no data')
    await write(folder, '.hidden/x.csv', 'a\n1\n')
    await write(folder, '.x.csv', 'a\n1\n')
    const publisher = new FakePublisher()
    await begin(folder, publisher)
    expect(publisher.takeLog().sort()).toEqual(['+ test/deep/er/m.jsonl', '+ test/planets.csv'])
    const contents = publisher.contents(datasetRid('test', 'planets.csv'))
    expect(contents).toEqual({
      name: 'planets',
      schema: expect.stringMatching(/^orn:data-catalog\.schema:test\/[0-9a-f]{16}$/),
      format: 'csv',
      location: `file://${planets}`,
      columns: [
        { name: 'name', type: 'VARCHAR' },
        { name: 'moons', type: 'BIGINT' },
      ],
      rows: 2,
      bytes: 26,
      sha256: createHash('sha256').update('name,moons\nMars,2\nEarth,1\n').digest('hex'),
      modified: expect.stringMatching(/^2026-01-01T00:\d\d:\d\d\.000Z$/),
      source: 'test',
      path: 'planets.csv',
    })
    const schema = asRid(contents?.['schema'] as string)
    expect(publisher.contents(schema)).toEqual({
      name: schema.slice(-16),
      columns: contents?.['columns'],
      source: 'test',
    })
  })

  it('publishes other contents of the same size, and not the same contents of another time', async () => {
    const folder = await dataFolder()
    const file = await write(folder, 'a.csv', 'x\n1\n')
    const publisher = new FakePublisher()
    const source = await begin(folder, publisher)
    const before = publisher.contents(datasetRid('test', 'a.csv'))
    publisher.takeLog()

    const time = new Date('2026-02-02T00:00:00Z')
    await utimes(file, time, time)
    await lookAgain(source)
    await source.stop()
    const another = await begin(folder, publisher)
    expect(publisher.takeLog()).toEqual([])
    expect(publisher.contents(datasetRid('test', 'a.csv'))).toEqual(before)

    await write(folder, 'a.csv', 'x\n2\n')
    await lookAgain(another)
    expect(publisher.takeLog()).toEqual(['~ test/a.csv'])
    expect(publisher.contents(datasetRid('test', 'a.csv'))?.['sha256']).not.toBe(before?.['sha256'])
  })

  it('publishes a change, forgets what is removed, and does both for what is renamed', async () => {
    const folder = await dataFolder()
    const a = await write(folder, 'a.csv', 'x\n1\n')
    await write(folder, 'b.csv', 'x\n1\n')
    await write(folder, 'c.csv', 'x\n1\n')
    const publisher = new FakePublisher()
    const source = await begin(folder, publisher)
    publisher.takeLog()

    await write(folder, 'a.csv', 'x\n1\n2\n')
    await unlink(join(folder, 'b.csv'))
    await rename(join(folder, 'c.csv'), join(folder, 'd.csv'))
    await lookAgain(source)
    expect(publisher.takeLog().sort()).toEqual(['+ test/d.csv', '- test/b.csv', '- test/c.csv', '~ test/a.csv'])
    expect(publisher.contents(datasetRid('test', 'a.csv'))?.['rows']).toBe(2)

    await mkdir(join(folder, 'sub'))
    await rename(a, join(folder, 'sub', 'a.csv'))
    await lookAgain(source)
    expect(publisher.takeLog().sort()).toEqual(['+ test/sub/a.csv', '- test/a.csv'])
    await rm(join(folder, 'sub'), { recursive: true })
    await lookAgain(source)
    expect(publisher.takeLog()).toEqual(['- test/sub/a.csv'])
    expect(source.progress).toEqual({ done: 1, total: 1, failed: 0 })
  })

  it('sees by watching what comes, changes, moves and goes, folders too', async () => {
    const folder = await dataFolder()
    const publisher = new FakePublisher()
    await begin(folder, publisher)
    const log: string[] = []
    const seen = (line: string): Promise<void> =>
      vi.waitFor(
        () => {
          log.push(...publisher.takeLog())
          expect(log).toContain(line)
        },
        { timeout: 50_000, interval: 20 },
      )
    await writeFile(join(folder, 'new.csv'), 'a\n1\n')
    await seen('+ test/new.csv')
    await appendFile(join(folder, 'new.csv'), '2\n')
    await seen('~ test/new.csv')
    await mkdir(join(folder, 'sub'))
    await rename(join(folder, 'new.csv'), join(folder, 'sub/moved.csv'))
    await seen('- test/new.csv')
    await seen('+ test/sub/moved.csv')
    await rename(join(folder, 'sub'), join(folder, 'sub2'))
    await seen('- test/sub/moved.csv')
    await seen('+ test/sub2/moved.csv')
    await rm(join(folder, 'sub2'), { recursive: true })
    await seen('- test/sub2/moved.csv')
  })

  it('goes on after a stop: reads only what changed, forgets what went meanwhile', async () => {
    const folder = await dataFolder()
    for (const name of ['kept', 'changed', 'removed']) await write(folder, `${name}.csv`, `${name}\n1\n`)
    const publisher = new FakePublisher()
    await (await begin(folder, publisher)).stop()
    publisher.takeLog()
    await unlink(join(folder, 'removed.csv'))
    await write(folder, 'changed.csv', 'other\n1\n')
    // Were it read again, its contents would come to be seen as different.
    const kept = publisher.bundles.get(datasetRid('test', 'kept.csv'))!
    await publisher.publish({ rid: kept.rid, contents: { ...kept.bundle.contents.value, rows: 99 } })
    publisher.takeLog()

    const progress: string[] = []
    const source = await begin(folder, publisher, {
      onProgress: ({ done, total, failed }) => progress.push(`${done}/${total} ${failed}`),
    })
    expect(publisher.takeLog().sort()).toEqual(['- test/removed.csv', '~ test/changed.csv'])
    expect(publisher.rids(SCHEMA)).toHaveLength(2)
    expect(progress.at(-1)).toBe('2/2 0')
    expect(source.failures).toEqual([])
  })

  it('publishes nothing when a file is only looked at again', async () => {
    const folder = await dataFolder()
    await write(folder, 'a.csv', 'x\n1\n')
    const publisher = new FakePublisher()
    const source = await begin(folder, publisher)
    publisher.takeLog()
    await lookAgain(source)
    expect(publisher.log).toEqual([])
  })

  it('reports once what is no table, counts it, and goes on', async () => {
    const folder = await dataFolder()
    const { log, lines } = warnings()
    await write(folder, 'picture.csv', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'))
    await write(folder, 'map.json', '{"type":"FeatureCollection","features":[]}')
    await write(folder, 'empty.csv', '')
    await write(folder, 'good.csv', 'x\n1\n')
    const publisher = new FakePublisher()
    const source = await begin(folder, publisher, { log })
    expect(publisher.takeLog()).toEqual(['+ test/good.csv'])
    expect(source.progress).toEqual({ done: 4, total: 4, failed: 3 })
    expect(lines.sort()).toEqual([
      'not catalogued: empty.csv: is empty',
      'not catalogued: map.json: is GeoJSON, not a table',
      'not catalogued: picture.csv: is binary, not text',
    ])
    await lookAgain(source)
    expect(lines).toHaveLength(3)

    await write(folder, 'picture.csv', 'now,a,table\n1,2,3\n')
    await write(folder, 'good.csv', Buffer.from([0, 1, 2]))
    await lookAgain(source)
    expect(publisher.takeLog().sort()).toEqual(['+ test/picture.csv', '- test/good.csv'])
    expect(source.failures.map(({ path }) => path).sort()).toEqual(['empty.csv', 'good.csv', 'map.json'])
    await unlink(join(folder, 'good.csv'))
    await lookAgain(source)
    expect(source.progress).toEqual({ done: 3, total: 3, failed: 2 })
  })

  it('takes any name for that one file', async () => {
    const names = [
      'a b',
      '50%',
      '100%25',
      '#1',
      '*',
      '[x]',
      '?',
      "it's",
      '"q"',
      'new\nline',
      'tab\t',
      '\\',
      '😀',
      '数据',
      'é',
      'e\u0301',
      'a:b',
      'x+y',
      '&amp;',
      '~',
      '..x',
    ].filter((name) => !name.startsWith('.'))
    const folder = await dataFolder()
    for (const [index, name] of names.entries()) {
      await write(folder, `${name}/${name}.csv`, `column ${index}\n${'1\n'.repeat(index + 1)}`)
    }
    const publisher = new FakePublisher()
    const source = await begin(folder, publisher)
    expect(source.failures).toEqual([])
    for (const [index, name] of names.entries()) {
      const rid = asRid(`orn:data-catalog.dataset:test/${name}/${name}.csv`)
      expect(publisher.contents(rid)).toMatchObject({
        name,
        path: `${name}/${name}.csv`,
        rows: index + 1,
        columns: [{ name: `column ${index}`, type: 'BIGINT' }],
      })
    }
  })

  it('gives a path too long for an RID one that ends in a hash, and finds it again', async () => {
    const folder = await dataFolder()
    const path = `${'ü'.repeat(100)}/data.csv`
    await write(folder, path, 'x\n1\n')
    const publisher = new FakePublisher()
    const source = await begin(folder, publisher)
    const [rid] = [...publisher.bundles.keys()].filter((each) => each.includes('~'))
    expect(rid).toMatch(/^orn:data-catalog\.dataset:test\/ü+~[0-9a-f]{32}$/)
    expect(Buffer.byteLength(rid!)).toBeLessThanOrEqual(187)
    expect(publisher.contents(rid!)?.['path']).toBe(path)
    await source.stop()
    publisher.takeLog()
    const again = await begin(folder, publisher)
    expect(publisher.takeLog()).toEqual([])
    await unlink(join(folder, path))
    await lookAgain(again)
    expect(publisher.bundles.size).toBe(0)
  })

  it('reports names that are not UTF-8', async () => {
    const folder = await dataFolder()
    await writeFile(Buffer.concat([Buffer.from(`${folder}/bad`), Buffer.from([0xff]), Buffer.from('.csv')]), 'x\n1\n')
    const { log, lines } = warnings()
    const source = await begin(folder, new FakePublisher(), { log })
    expect(source.failures).toEqual([{ path: 'bad\\xff.csv', reason: 'has a name that is not UTF-8; rename it' }])
    expect(source.progress).toEqual({ done: 1, total: 1, failed: 1 })
    await lookAgain(source)
    expect(lines).toEqual(['not catalogued: bad\\xff.csv: has a name that is not UTF-8; rename it'])
  })

  it('follows links to files within the folder, and no others', async () => {
    const outside = await dataFolder()
    await write(outside, 'secret.csv', 'secret\n1\n')
    const folder = await dataFolder()
    await write(folder, '..data/mounted.csv', 'x\n1\n')
    await symlink('..data/mounted.csv', join(folder, 'mounted.csv'))
    await symlink(join(outside, 'secret.csv'), join(folder, 'link.csv'))
    await symlink(outside, join(folder, 'linked'))
    await symlink(folder, join(folder, 'loop'))
    await symlink('self.csv', join(folder, 'self.csv'))
    await symlink('nowhere.csv', join(folder, 'dangling.csv'))
    const publisher = new FakePublisher()
    const source = await begin(folder, publisher)
    expect(publisher.takeLog()).toEqual(['+ test/mounted.csv'])
    expect(source.progress).toEqual({ done: 1, total: 1, failed: 0 })
  })

  it('reads no pipes', async () => {
    const folder = await dataFolder()
    execFileSync('mkfifo', [join(folder, 'pipe.csv')])
    await mkdir(join(folder, 'folder.csv'))
    const source = await begin(folder, new FakePublisher())
    expect(source.progress).toEqual({ done: 0, total: 0, failed: 0 })
  })

  it('forgets schemas that no dataset has any more', async () => {
    const folder = await dataFolder()
    await write(folder, 'a.csv', 'x\n1\n')
    await write(folder, 'b.csv', 'x\n2\n')
    await write(folder, 'c.csv', 'y\n2\n')
    const publisher = new FakePublisher()
    const source = await begin(folder, publisher)
    const [, ...both] = [...publisher.bundles.values()].map(({ bundle }) => bundle.contents.value['schema'])
    expect(new Set(both.filter(Boolean)).size).toBe(2)
    expect(publisher.rids(SCHEMA)).toHaveLength(2)
    await unlink(join(folder, 'a.csv'))
    await lookAgain(source)
    expect(publisher.rids(SCHEMA)).toHaveLength(2)
    await write(folder, 'b.csv', 'y\n3\n')
    await lookAgain(source)
    expect(publisher.rids(SCHEMA)).toHaveLength(1)
    await source.stop()
    await unlink(join(folder, 'b.csv'))
    await unlink(join(folder, 'c.csv'))
    await begin(folder, publisher)
    expect(publisher.bundles.size).toBe(0)
  })

  it("leaves others' datasets and other sources alone", async () => {
    const folder = await dataFolder()
    const publisher = new FakePublisher()
    const theirs = datasetRid('test', 'theirs.csv')
    publisher.receive(theirs, { name: 'theirs', path: 'theirs.csv' }, asRid('orn:koi-net.node:other+1'))
    await publisher.publish({ rid: datasetRid('test2', 'x.csv'), contents: { name: 'x', path: 'x.csv' } })
    await publisher.publish({ rid: datasetRid('published', 'x'), contents: { name: 'x' } })
    await publisher.publish({ rid: dataSchemaRid('published', 'x'), contents: { name: 'x', columns: [] } })
    await begin(folder, publisher)
    expect(publisher.bundles.size).toBe(4)
  })

  it('waits until a file that is being written rests', async () => {
    const folder = await dataFolder()
    const publisher = new FakePublisher()
    const source = await begin(folder, publisher, { stableMs: 600_000 })
    const file = join(folder, 'growing.csv')
    await writeFile(file, 'x\n1\n')
    await source.rescan()
    for (let i = 0; i < 5; i++) {
      await appendFile(file, '2\n')
      await write(folder, `rests${i}.csv`, 'x\n')
      await source.rescan()
      await vi.waitFor(() => expect(publisher.takeLog()).toEqual([`+ test/rests${i}.csv`]), 50_000)
    }
    const earlier = new Date(Date.now() - 600_000)
    await utimes(file, earlier, earlier)
    await source.rescan()
    await vi.waitFor(() => expect(publisher.takeLog()).toEqual(['+ test/growing.csv']), 50_000)
    expect(publisher.contents(datasetRid('test', 'growing.csv'))?.['rows']).toBe(6)
  })

  it('tries again what could not be published', async () => {
    const folder = await dataFolder()
    await write(folder, 'a.csv', 'x\n1\n')
    const publisher = new FakePublisher()
    publisher.failing = true
    const source = await begin(folder, publisher)
    expect(source.progress).toEqual({ done: 0, total: 1, failed: 0 })
    publisher.failing = false
    await lookAgain(source)
    expect(publisher.takeLog()).toEqual(['+ test/a.csv'])
  })

  it('keeps what is published when the folder goes away, and goes on when it is back', async () => {
    const parent = await dataFolder()
    const folder = join(parent, 'data')
    await write(folder, 'a.csv', 'x\n1\n')
    await write(folder, 'sub/b.csv', 'x\n1\n')
    const { log, lines } = warnings()
    const publisher = new FakePublisher()
    const source = await begin(folder, publisher, { log })
    publisher.takeLog()
    await rename(folder, join(parent, 'away'))
    await vi.waitFor(() => expect(lines.some((line) => line.includes('cannot be looked through'))).toBe(true), 50_000)
    // As the watcher tells it, or a look through the folder.
    await lookAgain(source)
    await lookAgain(source)
    expect(publisher.takeLog()).toEqual([])
    expect(lines.filter((line) => line.includes('cannot be looked through'))).toHaveLength(1)

    await rename(join(parent, 'away'), folder)
    await unlink(join(folder, 'a.csv'))
    await lookAgain(source)
    expect(publisher.takeLog()).toEqual(['- test/a.csv'])
  })

  it('survives a listener to its progress that fails', async () => {
    const folder = await dataFolder()
    await write(folder, 'a.csv', 'x\n1\n')
    const publisher = new FakePublisher()
    const onProgress = (): void => {
      throw new Error('no')
    }
    await begin(folder, publisher, { onProgress })
    expect(publisher.takeLog()).toEqual(['+ test/a.csv'])
  })

  it('catalogues no more files than it is told to', async () => {
    const folder = await dataFolder()
    for (const name of ['c', 'a', 'b']) await write(folder, `${name}.csv`, 'x\n1\n')
    const { log, lines } = warnings()
    const publisher = new FakePublisher()
    await begin(folder, publisher, { maxFiles: 2, log })
    expect(publisher.takeLog().sort()).toEqual(['+ test/a.csv', '+ test/b.csv'])
    expect(lines).toEqual(['only the first 2 files are catalogued; there are more'])
  })

  it('says where the data is as it is told', async () => {
    const folder = await dataFolder()
    await write(folder, 'a b/c#d.csv', 'x\n1\n')
    const publisher = new FakePublisher()
    await begin(folder, publisher, { locationBase: 's3://lake/data' })
    expect(publisher.contents(datasetRid('test', 'a b/c#d.csv'))?.['location']).toBe('s3://lake/data/a%20b/c%23d.csv')
  })

  it('refuses a folder that is missing, or none, or has no fit name', async () => {
    const folder = await dataFolder()
    const file = await write(folder, 'a.csv', 'x\n1\n')
    const start = (options: Partial<FolderSourceOptions>): Promise<void> =>
      new FolderSource({ folder, publisher: new FakePublisher(), ...options }).start()
    await expect(start({ folder: join(folder, 'none') })).rejects.toThrow('does not exist; name a folder of data files')
    await expect(start({ folder: file })).rejects.toThrow('is not a folder')
    await expect(start({ name: 'a/b' })).rejects.toThrow('has a "/" in its name')
  })

  it('stops in the middle, on the signal too', async () => {
    const folder = await dataFolder()
    for (let i = 0; i < 50; i++) await write(folder, `${i}.csv`, 'x\n1\n')
    const publisher = new FakePublisher()
    const stopping = new AbortController()
    const source = new FolderSource({ folder, publisher, onProgress: ({ done }) => done > 5 && stopping.abort() })
    await source.start(stopping.signal)
    await source.idle()
    await source.stop()
    const published = publisher.rids('orn:data-catalog.dataset')
    expect(published.length).toBeLessThan(50)
    expect(published[0]).toMatch(new RegExp(`^${basename(folder)}/`))
    expect([...publisher.bundles.keys()].every(isRid)).toBe(true)
    const again = new FolderSource({ folder, publisher })
    await again.start()
    await again.idle()
    await again.stop()
    expect(publisher.rids('orn:data-catalog.dataset')).toHaveLength(50)
  })
})
