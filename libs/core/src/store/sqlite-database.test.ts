import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { SqliteDatabase } from './sqlite-database.ts'

it('begins a copy also when its own connection writes just then', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'koi-sqlite-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const db = new SqliteDatabase(join(folder, 'store.db'))
  db.exec('PRAGMA journal_mode = WAL; CREATE TABLE notes (text TEXT)')
  db.run('INSERT INTO notes VALUES (?)', 'before')

  const target = join(folder, 'copy.db')
  writeFileSync(target, '')
  db.exec('BEGIN IMMEDIATE')
  db.run('INSERT INTO notes VALUES (?)', 'meanwhile')
  const copied = db.copyTo(target, () => undefined)
  await wait(50)
  db.exec('COMMIT')
  await copied
  db.close()

  const copy = new SqliteDatabase(target)
  expect(copy.all('SELECT text FROM notes')).toEqual([{ text: 'before' }, { text: 'meanwhile' }])
  copy.close()
})

it('ends a copy that cannot begin when it is told to stop', async () => {
  const db = new SqliteDatabase(':memory:')
  onTestFinished(() => db.close())
  const folder = mkdtempSync(join(tmpdir(), 'koi-sqlite-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const target = join(folder, 'copy.db')
  writeFileSync(target, '')
  db.exec('CREATE TABLE notes (text TEXT); BEGIN IMMEDIATE')
  const stopAt = performance.now() + 50
  const copied = db.copyTo(target, () => {
    if (performance.now() > stopAt) throw new Error('stopped')
  })
  await expect(copied).rejects.toThrow('stopped')
})
