import { appendFile, rename } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { silentLogger, WholeSource } from '@koi-mcp/core'
import type { Share } from '@koi-mcp/core'
import { dataFolder, write } from '../testing/data-folder.ts'
import { FakePublisher } from '../testing/fake-publisher.ts'
import { FileCataloguer } from './file-cataloguer.ts'
import { FileLedger } from './file-ledger.ts'
import type { TableEngine } from './table-engine.ts'
import type { TableProfile } from './table-profile.ts'

const PROFILE: TableProfile = { columns: [{ name: 'x', type: 'BIGINT' }], rows: 1 }

async function wholeShare(): Promise<Share> {
  const whole = new WholeSource()
  await whole.start({ onGained: () => undefined, onLost: () => Promise.resolve() })
  return whole.of()!
}

/** A cataloguer whose engine does `read` in place of reading. */
function cataloguer(root: string, publisher: FakePublisher, read: () => Promise<TableProfile>): FileCataloguer {
  return new FileCataloguer({
    place: { source: 'test', root },
    publisher,
    engine: { with: read } as unknown as TableEngine,
    ledger: new FileLedger('test'),
    log: silentLogger,
    alone: true,
  })
}

describe('FileCataloguer', () => {
  it('publishes nothing of a file that changes while it is read, and forgets nothing', async () => {
    const folder = await dataFolder()
    const share = await wholeShare()
    const file = await write(folder, 'a.csv', 'x\n1\n')
    const publisher = new FakePublisher()
    let changes = 2
    const catalogue = cataloguer(folder, publisher, async () => {
      if (changes > 0) await appendFile(file, '2\n')
      changes -= 1
      if (changes === 0) throw new Error('half a file')
      return PROFILE
    })
    expect(await catalogue.catalogue('a.csv', share)).toBe('changing')
    expect(await catalogue.catalogue('a.csv', share)).toBe('changing')
    expect(publisher.takeLog()).toEqual([])
    expect(await catalogue.catalogue('a.csv', share)).toBe('done')
    expect(publisher.takeLog()).toEqual(['+ test/a.csv'])
  })

  it('forgets nothing when the whole folder is gone', async () => {
    const folder = await dataFolder()
    const share = await wholeShare()
    await write(folder, 'data/a.csv', 'x\n1\n')
    const publisher = new FakePublisher()
    const catalogue = cataloguer(`${folder}/data`, publisher, () => Promise.resolve(PROFILE))
    await catalogue.catalogue('a.csv', share)
    publisher.takeLog()
    await rename(`${folder}/data`, `${folder}/away`)
    expect(await catalogue.catalogue('a.csv', share)).toBe('done')
    expect(publisher.takeLog()).toEqual([])
    await rename(`${folder}/away`, `${folder}/data`)
    await rename(`${folder}/data/a.csv`, `${folder}/data/b.csv`)
    await catalogue.catalogue('a.csv', share)
    expect(publisher.takeLog()).toEqual(['- test/a.csv'])
  })
})
