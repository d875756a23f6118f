import { expect, it } from 'vitest'
import { silentLogger, WholeSource } from '@koi-mcp/core'
import { FakePublisher } from '../testing/fake-publisher.ts'
import { datasetRid, dataSchemaRid } from '../rid-types.ts'
import { SchemaUpkeep } from './schema-upkeep.ts'

const COLUMNS = [{ name: 'x', type: 'BIGINT' }]
const used = dataSchemaRid('test', 'used')
const unused = dataSchemaRid('test', 'unused')

async function upkeep(patienceMs: number) {
  const publisher = new FakePublisher()
  await publisher.publish({ rid: datasetRid('test', 'a.csv'), contents: { schema: used, columns: COLUMNS } })
  await publisher.publish({ rid: unused, contents: { name: 'unused', columns: COLUMNS, source: 'test' } })
  await publisher.publish({ rid: dataSchemaRid('test2', 'other'), contents: { name: 'other', columns: COLUMNS } })
  publisher.log.length = 0
  const shares = new WholeSource()
  const { signal } = new AbortController()
  const upkeep = new SchemaUpkeep({ source: 'test', publisher, shares, log: silentLogger, signal, patienceMs })
  return { publisher, shares, upkeep }
}
const idle = { onGained: () => undefined, onLost: () => Promise.resolve() }

it('forgets what no dataset has, and publishes again what one has', async () => {
  const { publisher, shares, upkeep: schemas } = await upkeep(0)
  await schemas.look()
  expect(publisher.log).toEqual([])
  await shares.start(idle)
  await schemas.look()
  expect(publisher.log).toEqual(['- schema:test/unused', '+ schema:test/used'])
  expect(publisher.contents(used)).toEqual({ name: 'used', columns: COLUMNS, source: 'test' })
  await schemas.look()
  expect(publisher.log).toHaveLength(2)
})

it('waits for what may be under way', async () => {
  const { publisher, shares, upkeep: schemas } = await upkeep(60_000)
  await shares.start(idle)
  await schemas.look()
  await schemas.look()
  expect(publisher.log).toEqual([])
})
