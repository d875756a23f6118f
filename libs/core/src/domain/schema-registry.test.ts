import 'reflect-metadata'
import { Type } from 'class-transformer'
import { ArrayMaxSize, IsArray, IsInt, IsOptional, IsString, Min, ValidateNested } from 'class-validator'
import { describe, expect, it } from 'vitest'
import { asRid, defineRidType } from '@koi-mcp/protocol'
import { SchemaError } from './schema-problems.ts'
import { SchemaRegistry } from './schema-registry.ts'

class Column {
  @IsString() name!: string
  @IsString() type!: string
}

class Table {
  @IsString() name!: string
  @IsOptional() @IsInt() @Min(0) rows?: number
  @IsOptional() @IsString() update_frequency?: string
  @IsOptional() @IsArray() @ArrayMaxSize(3, { message: 'no more than three' }) tags?: string[]
  @IsOptional() @IsArray() @IsString({ each: true }) words?: string[]
  @IsOptional()
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Column)
  columns?: Column[]
  constructor(fields: Partial<Table> = {}) {
    Object.assign(this, fields)
  }
}

class Label {
  @IsString() text!: string
}

const TABLE = defineRidType('orn:test.table')

function registry(): SchemaRegistry {
  const schemas = new SchemaRegistry()
  schemas.registerSchema({ schema: Table, ridType: TABLE, ridOf: (table: Table) => TABLE.of(`t/${table.name}`) })
  schemas.registerSchema(Label)
  return schemas
}

function problemsOf(act: () => unknown): readonly string[] {
  try {
    act()
  } catch (error) {
    if (error instanceof SchemaError) return error.problems
    throw error
  }
  return []
}

describe('validate', () => {
  it('gives an instance, nested ones included, and keeps what the schema does not name', () => {
    const table = registry().validate(Table, {
      name: 'a',
      update_frequency: 'daily',
      columns: [{ name: 'x', type: 'BIGINT', note: 1 }],
      extra: { deep: [1, null] },
    })
    expect(table).toBeInstanceOf(Table)
    expect(table.columns?.[0]).toBeInstanceOf(Column)
    expect(JSON.parse(JSON.stringify(table))).toEqual({
      name: 'a',
      update_frequency: 'daily',
      columns: [{ name: 'x', type: 'BIGINT', note: 1 }],
      extra: { deep: [1, null] },
    })
  })

  it('lists every problem with the path of its field', () => {
    const plain = {
      rows: -1.5,
      tags: ['a', 'b', 'c', 'd'],
      words: ['a', 1],
      columns: [{ name: 'x', type: 'y' }, { name: 'x', type: 'y' }, { name: 'z', type: 3 }, null],
    }
    expect(problemsOf(() => registry().validate('Table', plain))).toEqual([
      'name must be a string',
      'rows must not be less than 0',
      'rows must be an integer number',
      'tags: no more than three',
      'each value in words must be a string',
      'columns[2].type must be a string',
      'columns[3] must be an object',
    ])
  })

  it('says the schema in the message', () => {
    expect(() => registry().validate('Table', {})).toThrow('does not fit Table: name must be a string')
  })

  it.each([null, 'text', 3, [], undefined])('refuses %j, which is no object', (value) => {
    expect(problemsOf(() => registry().validate('Table', value))).toEqual(['must be an object'])
  })

  it('names the schemas that exist', () => {
    expect(() => registry().validate('Tabel', {})).toThrow('no schema is named Tabel; there are: Table, Label')
  })

  it('refuses names that would be lost, wherever they stand', () => {
    const plain: unknown = JSON.parse('{"name":"a","x":[{"constructor":1}],"__proto__":{"name":"b"}}')
    expect(problemsOf(() => registry().validate('Table', plain))).toEqual([
      'x[0].constructor is a name that a field cannot have; rename it',
      '__proto__ is a name that a field cannot have; rename it',
    ])
  })

  it('refuses an object that contains itself', () => {
    const loop: Record<string, unknown> = { name: 'a' }
    loop['self'] = loop
    expect(problemsOf(() => registry().validate('Table', loop))[0]).toMatch(/^cannot be read: /)
  })
})

describe('validateContents', () => {
  it('checks by the type of the RID, and knows nothing against other types', () => {
    const schemas = registry()
    expect(problemsOf(() => schemas.validateContents(TABLE.of('x'), { name: 1 }))).toEqual(['name must be a string'])
    expect(() => schemas.validateContents(asRid('orn:other:x'), { name: 1 })).not.toThrow()
  })

  it.each([
    '{"name":"a","constructor":"x"}',
    '{"name":"a","__proto__":[]}',
    '{"name":"a","x":{"constructor":{},"then":1}}',
  ])('takes %s from a stranger', (text) => {
    expect(() => registry().validateContents(TABLE.of('x'), JSON.parse(text) as object)).not.toThrow()
  })

  it('takes objects without a prototype', () => {
    const contents: object = Object.assign(Object.create(null) as object, { name: 'a', columns: [Object.create(null)] })
    expect(problemsOf(() => registry().validateContents(TABLE.of('x'), contents))).toEqual([
      'columns[0].name must be a string',
      'columns[0].type must be a string',
    ])
  })
})

describe('ridFor', () => {
  it('follows from an instance, or from a schema and an object', () => {
    expect(registry().ridFor(new Table({ name: 'a b' }))).toBe('orn:test.table:t/a b')
    expect(registry().ridFor('Table', { name: 'c' })).toBe('orn:test.table:t/c')
    expect(registry().ridFor(Table, { name: 'c' })).toBe('orn:test.table:t/c')
  })

  it('says what is missing', () => {
    expect(() => registry().ridFor(new Label())).toThrow(
      'Label does not say its RID: give its registration a ridOf, or publish {rid, contents}',
    )
    expect(() => registry().ridFor({ name: 'a' })).toThrow('is no instance of a known schema (Table, Label)')
  })
})

describe('registerSchema', () => {
  it('refuses a second class of the same name, and a second schema of an RID type', () => {
    const schemas = registry()
    const Other = { Table: class {} }.Table
    expect(() => schemas.registerSchema(Other)).toThrow('two schemas are named Table')
    class Rival {}
    expect(() => schemas.registerSchema({ schema: Rival, ridType: TABLE })).toThrow(
      'orn:test.table already has the schema Table; it cannot have Rival too',
    )
    expect(schemas.names).toEqual(['Table', 'Label'])
  })
})

describe('transform', () => {
  it('turns an instance into one of another schema', () => {
    const schemas = registry()
    schemas.registerTransformer(Table, Label, (table) => Object.assign(new Label(), { text: table.name }))
    const label = schemas.transform(new Table({ name: 'a' }), 'Label')
    expect(label).toEqual(Object.assign(new Label(), { text: 'a' }))
    expect(schemas.transform(new Table({ name: 'b' }), Label).text).toBe('b')
  })

  it('names both when there is none, and those that exist', () => {
    const schemas = registry()
    expect(() => schemas.transform(new Label(), 'Table')).toThrow('no transformer from Label to Table; there are: none')
    schemas.registerTransformer(Table, Label, () => new Label())
    expect(() => schemas.transform(new Label(), Table)).toThrow('there are: Table to Label')
    expect(() => schemas.registerTransformer(Table, Label, () => new Label())).toThrow('already')
  })
})
