import { describe, expect, it } from 'vitest'
import { KoiMcpRegistry, silentLogger } from '@koi-mcp/core'
import type { HandlerFunction, ProcessorContext } from '@koi-mcp/core'
import { asRid, contentsOf } from '@koi-mcp/protocol'
import { ColumnDefinition } from './column-definition.ts'
import { DataCatalogExtension } from './data-catalog-extension.ts'
import { DataSchemaDefinition } from './data-schema-definition.ts'
import { DatasetMetadata } from './dataset-metadata.ts'

function registry(): KoiMcpRegistry {
  const registered = new KoiMcpRegistry()
  registered.registerExtension(new DataCatalogExtension())
  return registered
}

const TRANSACTIONS = new DatasetMetadata({
  name: 'customer_transactions',
  description: 'Daily customer transaction records',
  schema: 'transactions_schema_v1',
  format: 'parquet',
  location: 's3://data-lake/transactions/',
  update_frequency: 'daily',
})

describe('DataCatalogExtension', () => {
  it('brings RID types, schemas and the adapter', () => {
    const { extensions, ridTypes, schemas, adapters } = registry()
    expect([...extensions.keys()]).toEqual(['data_catalog'])
    expect([...ridTypes.keys()]).toEqual(['orn:data-catalog.dataset', 'orn:data-catalog.schema'])
    expect(schemas.names).toEqual(['DatasetMetadata', 'DataSchemaDefinition'])
    expect([...adapters.keys()]).toEqual(['datasets'])
  })

  it('says under which RID an object is published, and with which contents', () => {
    const { schemas } = registry()
    expect(schemas.ridFor(TRANSACTIONS)).toBe('orn:data-catalog.dataset:published/customer_transactions')
    expect(contentsOf(TRANSACTIONS).value).toEqual({
      name: 'customer_transactions',
      description: 'Daily customer transaction records',
      schema: 'transactions_schema_v1',
      format: 'parquet',
      location: 's3://data-lake/transactions/',
      update_frequency: 'daily',
    })
    const elsewhere = new DatasetMetadata({ name: 'a', source: 'lake', path: 'x/a' })
    expect(schemas.ridFor(elsewhere)).toBe('orn:data-catalog.dataset:lake/x/a')
    const schema = new DataSchemaDefinition({ name: 'v1', columns: [] })
    expect(schemas.ridFor(schema)).toBe('orn:data-catalog.schema:published/v1')
  })

  it('takes metadata with further fields, and says what does not fit', () => {
    const { schemas } = registry()
    const plain = {
      name: 'a',
      owner: 'Finance',
      tags: ['x'],
      columns: [{ name: 'id', type: 'BIGINT', unit: 'none' }],
      rows: 3,
      bytes: 20,
      modified: '2026-01-01T00:00:00.123456Z',
      licence: 'CC0',
    }
    expect(contentsOf(schemas.validate('DatasetMetadata', plain)).value).toEqual(plain)
    expect(() =>
      schemas.validate('DatasetMetadata', { rows: -1, tags: [1], columns: [{ name: 'x' }], modified: 'soon' }),
    ).toThrow(
      'does not fit DatasetMetadata: name must be a string; each value in tags must be a string; columns[0].type must be a string; rows must not be less than 0; modified must be a valid ISO 8601 date string',
    )
    expect(() => schemas.validate('DataSchemaDefinition', { name: 'x' })).toThrow('columns must be an array')
  })

  it('turns a dataset into the schema of its columns', () => {
    const columns = [new ColumnDefinition({ name: 'id', type: 'BIGINT' })]
    const schema = registry().schemas.transform(new DatasetMetadata({ name: 'a', columns }), DataSchemaDefinition)
    expect(schema).toEqual(new DataSchemaDefinition({ name: 'a', columns }))
  })

  it('keeps what others publish, and logs what does not fit', async () => {
    const handlers: HandlerFunction[] = []
    const registerHandler = (...args: unknown[]): void => void handlers.push(args.at(-1) as HandlerFunction)
    registry().configureNode({ processor: { registerHandler } })
    expect(handlers).toHaveLength(1)
    const lines: string[] = []
    const log = { ...silentLogger, warn: (message: string) => void lines.push(message) }
    const handle = async (contents: object | undefined): Promise<unknown> =>
      await handlers[0]!({ log } as unknown as ProcessorContext, {
        rid: asRid('orn:data-catalog.dataset:theirs/x'),
        contents: contents && contentsOf(contents),
        networkTargets: new Set(),
      })
    expect(await handle({ name: 'x', more: 1 })).toBeUndefined()
    expect(await handle(undefined)).toBeUndefined()
    expect(lines).toEqual([])
    expect(await handle({ name: 1, constructor: { x: 1 } })).toBeUndefined()
    expect(lines).toEqual(['kept as it is: does not fit DatasetMetadata: name must be a string'])
  })
})
