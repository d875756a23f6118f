import { describe, expect, it } from 'vitest'
import { SqliteDatabase } from './sqlite-database.ts'
import { APPLICATION_ID, checkFormat, migrate, MIGRATIONS } from './sqlite-schema.ts'
import type { Migration } from './sqlite-schema.ts'

const header = (db: SqliteDatabase) => ({
  ...db.get<object>('PRAGMA user_version'),
  ...db.get<object>('PRAGMA application_id'),
})
const addColumn: Migration = (db) => db.exec(`ALTER TABLE node_values ADD COLUMN note TEXT DEFAULT 'none'`)

describe('migrate', () => {
  it('makes a new file, and leaves one of this format alone', () => {
    const db = new SqliteDatabase(':memory:')
    migrate(db)
    expect(header(db)).toEqual({ user_version: MIGRATIONS.length, application_id: APPLICATION_ID })
    migrate(db)
    checkFormat(db, 'file')
    db.close()
  })

  it('runs what an older file lacks, in order', () => {
    const db = new SqliteDatabase(':memory:')
    migrate(db)
    db.run(`INSERT INTO node_values (key, value) VALUES ('k', 'v')`)
    const fill: Migration = (target) => target.run(`UPDATE node_values SET note = 'filled'`)
    migrate(db, [...MIGRATIONS, addColumn, fill])
    expect(db.all('SELECT key, note FROM node_values')).toMatchObject([{ key: 'k', note: 'filled' }])
    expect(header(db)).toMatchObject({ user_version: MIGRATIONS.length + 2 })
    expect(() => checkFormat(db, 'file')).toThrow(`format ${MIGRATIONS.length + 2}`)
    db.close()
  })

  it('keeps what a file of format 1 holds', () => {
    const db = new SqliteDatabase(':memory:')
    migrate(db, MIGRATIONS.slice(0, 1))
    db.exec(`
      INSERT INTO inbox (lane, head, due_at, accepted_at, rid) VALUES ('orn:t:a', 1, 0, 0, 'orn:t:a');
      INSERT INTO dead_letters (place, rid, phase, attempts, accepted_at, failed_at, error)
        VALUES (7, 'orn:t:b', 'network', 1, 0, 0, 'broken');
    `)
    migrate(db)
    expect(db.all('SELECT rid, history, replayed FROM inbox')).toMatchObject([
      { rid: 'orn:t:a', history: '[]', replayed: 0 },
    ])
    expect(db.all('SELECT place, history FROM dead_letters')).toMatchObject([{ place: 7, history: '[]' }])
    db.close()
  })

  it('changes nothing when one of them fails', () => {
    const db = new SqliteDatabase(':memory:')
    migrate(db)
    const fail: Migration = () => {
      throw new Error('half way')
    }
    expect(() => migrate(db, [...MIGRATIONS, addColumn, fail])).toThrow('half way')
    expect(header(db)).toMatchObject({ user_version: MIGRATIONS.length })
    expect(() => db.all('SELECT note FROM node_values')).toThrow(/no such column/)
    db.close()
  })
})
