import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { silentLogger } from '../logger.ts'
import { GroupCommit } from './group-commit.ts'
import type { CommitReport } from './group-commit.ts'
import { SqliteDatabase } from './sqlite-database.ts'

describe('GroupCommit', () => {
  let db: SqliteDatabase
  let reports: CommitReport[]
  let commits: GroupCommit
  const insert = (n: number) => commits.submit(() => db.run('INSERT INTO t VALUES (?)', n).changes)
  const rows = () => db.all<{ n: number }>('SELECT n FROM t ORDER BY n').map((row) => row.n)
  const outcomes = async (steps: Promise<unknown>[]) => (await Promise.allSettled(steps)).map((step) => step.status)

  // A batch waits, and lasts, for so many milliseconds: none pass unless the test says so.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
  afterEach(() => void vi.useRealTimers())
  beforeEach(() => {
    db = new SqliteDatabase(':memory:')
    db.exec('PRAGMA foreign_keys = ON; CREATE TABLE t (n INTEGER PRIMARY KEY)')
    reports = []
    commits = new GroupCommit(db, silentLogger, (report) => reports.push(report))
  })

  it('runs steps in the order asked, and answers after the commit', async () => {
    const order: number[] = []
    const steps = [1, 2, 3].map((n) => commits.submit(() => order.push(n)))
    expect(order).toEqual([])
    expect(await Promise.all(steps)).toEqual([1, 2, 3])
    expect(db.inTransaction).toBe(false)
    expect(reports).toEqual([{ steps: 3, written: 3 }])
  })

  it('waits for what the next turns of the event loop bring, and not without end', async () => {
    const steps = [insert(1)]
    for (let n = 2; n <= 5; n++) {
      await nextTurn()
      steps.push(insert(n))
    }
    await Promise.all(steps)
    expect(reports).toEqual([{ steps: 5, written: 5 }])
    const first = insert(6).then(() => true)
    for (let n = 7; !(await Promise.race([first, nextTurn()])); n++) {
      void insert(n)
      vi.advanceTimersByTime(1)
    }
    expect(rows()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  })

  it('undoes what a failed step did, and nothing of the others', async () => {
    let runs = 0
    const failing = commits.submit(() => {
      runs += 1
      db.run('INSERT INTO t VALUES (7)')
      throw new Error('half way')
    })
    const steps = [insert(1), failing, insert(2), insert(1), insert(3)]
    expect(await outcomes(steps)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'])
    expect(rows()).toEqual([1, 2, 3])
    expect(reports).toEqual([{ steps: 5, written: 3 }])
    // Once with the others, and once more with a savepoint.
    expect(runs).toBe(2)
  })

  it('runs the others again when a step costs the whole transaction', async () => {
    const lose = commits.submit(() => {
      db.exec('ROLLBACK')
      throw new Error('lost')
    })
    const steps = [insert(1), lose, insert(2)]
    expect(await outcomes(steps)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    await expect(lose).rejects.toThrow('lost')
    expect(rows()).toEqual([1, 2])
  })

  it('refuses every step when the commit fails, and goes on with the next', async () => {
    // A deferred foreign key is checked at COMMIT alone.
    db.exec('CREATE TABLE child (n INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED)')
    const wakes: object[] = []
    commits.onWake((wake) => wakes.push(wake))
    const orphan = commits.submit((wake) => {
      wake.changes = true
      db.run('INSERT INTO child VALUES (99)')
    })
    expect(await outcomes([insert(1), orphan])).toEqual(['rejected', 'rejected'])
    expect(rows()).toEqual([])
    expect(wakes).toEqual([])
    expect(reports).toEqual([])
    await insert(2)
    expect(rows()).toEqual([2])
  })

  it('tells what the steps that were written gave rise to', async () => {
    const wakes: object[] = []
    const stop = commits.onWake((wake) => wakes.push({ ...wake }))
    const failing = commits.submit((wake) => {
      wake.outbox = true
      throw new Error('no')
    })
    await Promise.allSettled([failing, commits.submit((wake) => (wake.inbox = true))])
    expect(wakes).toEqual([{ changes: false, inbox: true, outbox: false }])
    stop()
    await commits.submit((wake) => (wake.inbox = true))
    expect(wakes).toHaveLength(1)
  })

  it('runs what is queued when it closes, and takes nothing after', async () => {
    const step = insert(1)
    commits.close()
    expect(rows()).toEqual([1])
    await step
    await expect(insert(2)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})
