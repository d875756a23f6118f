import { describe, expect, it } from 'vitest'
import { asRid } from '@koi-mcp/protocol'
import { ChangeLog } from './change-log.ts'
import { SqliteDatabase } from './sqlite-database.ts'
import { migrate } from './sqlite-schema.ts'

const DAY = 24 * 3600 * 1000
const A = asRid('orn:t:a')
const B = asRid('orn:t:b')

describe('ChangeLog', () => {
  const setUp = () => {
    const db = new SqliteDatabase(':memory:')
    migrate(db)
    const time = { now: 0 }
    const log = new ChangeLog(db, () => time.now)
    return { log, time, events: () => log.after(0, 100_000).map(({ rid, eventType }) => `${eventType} ${rid}`) }
  }

  it('drops what a later change of the same RID overtook long ago', () => {
    const { log, events } = setUp()
    log.append(A, 'NEW', null)
    log.append(A, 'UPDATE', null)
    for (let count = 0; count < 10_000; count++) log.append(B, 'UPDATE', null)
    expect(events().filter((event) => event.endsWith(A))).toEqual([`NEW ${A}`, `UPDATE ${A}`])
    log.append(A, 'UPDATE', null)
    expect(events().filter((event) => event.endsWith(A))).toEqual([`UPDATE ${A}`])
    expect(events().length).toBeLessThanOrEqual(10_002)
  })

  it('keeps a FORGET for seven days, and nothing of that RID after them', () => {
    const { log, time, events } = setUp()
    log.append(A, 'NEW', null)
    log.append(A, 'FORGET', null)
    time.now = 7 * DAY
    log.append(B, 'NEW', null)
    expect(events()).toEqual([`NEW ${A}`, `FORGET ${A}`, `NEW ${B}`])
    time.now += 1
    log.append(B, 'UPDATE', null)
    expect(events()).toEqual([`NEW ${B}`, `UPDATE ${B}`])
  })

  it('keeps what came again after an expired FORGET', () => {
    const { log, time, events } = setUp()
    log.append(A, 'FORGET', null)
    log.append(A, 'NEW', null)
    time.now = 8 * DAY
    log.append(B, 'FORGET', null)
    expect(events()).toEqual([`NEW ${A}`, `FORGET ${B}`])
    time.now = 16 * DAY
    expect(log.append(A, 'UPDATE', null)).toBe(4)
    expect(log.last()).toBe(4)
  })
})
