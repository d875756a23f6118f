import { describe, expect, it } from 'vitest'
import { createLogger } from './create-logger.ts'
import type { LoggerOptions } from './create-logger.ts'

const open = (options: Partial<LoggerOptions> & { isTTY?: boolean } = {}) => {
  const lines: string[] = []
  const output = { write: (line: string) => void lines.push(line), isTTY: options.isTTY ?? false }
  return { lines, log: createLogger({ level: 'info', format: 'auto', role: 'producer', output, ...options }) }
}

class CodedError extends Error {
  readonly code = 'FULL'
}

describe('createLogger', () => {
  it('writes one JSON object a line where nobody looks', () => {
    const { log, lines } = open()
    log.info('delivered', { rid: 'orn:a.b:c\nd', peer: 'orn:koi-net.node:x+0', count: 3 })
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      level: 'info',
      role: 'producer',
      msg: 'delivered',
      rid: 'orn:a.b:c\nd',
      peer: 'orn:koi-net.node:x+0',
      count: 3,
    })
  })

  it('keeps to the level', () => {
    const { log, lines } = open({ level: 'warn' })
    log.debug('a')
    log.info('b')
    log.warn('c')
    log.error('d')
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(['c', 'd'])
  })

  it('writes no secrets, and cannot be made to by a field that has the name of another', () => {
    const { log, lines } = open()
    log.info('x', {
      publish_token: 'geheim',
      Authorization: 'geheim',
      private_key_password: 'geheim',
      level: 'error',
      msg: 'y',
    })
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'info', msg: 'x', level_: 'error', msg_: 'y' })
    expect(lines[0]).not.toContain('geheim')
  })

  it('tells the message and code of errors that were foreseen, and the stack of others', () => {
    const { log, lines } = open()
    log.error('no', { error: new CodedError('disk full', { cause: new Error('below') }) })
    log.error('no', { error: new TypeError('x is no function') })
    const [coded, bug] = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(coded).toMatchObject({ error: 'disk full', code: 'FULL', cause: 'below' })
    expect(coded).not.toHaveProperty('stack')
    expect(bug).toMatchObject({
      error: 'x is no function',
      stack: expect.stringContaining('create-logger.test') as string,
    })
  })

  it('writes short lines for people, in which nothing from outside can forge a line or a colour', () => {
    const { log, lines } = open({ format: 'pretty' })
    log.warn('bad\u001b[2J', { rid: 'orn:a:b\nc d', count: 2 })
    expect(lines[0]?.slice(12)).toBe(' WARN  bad\\u001b[2J  rid="orn:a:b\\nc d"  count=2\n')
  })

  it('colours on a terminal alone', () => {
    const { log, lines } = open({ isTTY: true })
    log.info('x')
    expect(lines[0]?.slice(12)).toBe(' \u001b[32mINFO \u001b[0m x\n')
  })
})
