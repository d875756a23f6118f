import { DatabaseError } from 'pg'
import { LeaseLostError, StoreError } from '@koi-mcp/core'

/** SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html. KOI01 and KOI02 are our own functions'. */
const LEASE_LOST = 'KOI01'
const NOT_THE_HEAD = 'KOI02'
/** Given up for another transaction's sake, and nothing was written: the same step may well pass the next time. */
const RETRIED = new Set(['40001', '40P01'])
/** What the connection was cannot be used any more, or leads to a server that was demoted. */
const LOST = /^(08|57P|25006|25P0)/

/** What pg throws that the server did not say: something happened to the way there. */
export class ConnectionFailure extends Error {
  constructor(cause: unknown) {
    super(messageOf(cause), { cause })
  }
}

export function isRetried(error: unknown): boolean {
  return error instanceof DatabaseError && RETRIED.has(error.code ?? '')
}

/** Whether the connection on which this happened is to be closed. */
export function endsConnection(error: unknown): boolean {
  return error instanceof DatabaseError ? LOST.test(error.code ?? '') : error instanceof ConnectionFailure
}

/** Turns failures of the server and the way to it into `StoreError`s that say the fix; our own mistakes pass unchanged. */
export function storeError(error: unknown, where: string): unknown {
  if (error instanceof ConnectionFailure) {
    return failure(
      'UNAVAILABLE',
      error,
      `${where} does not answer: see that the server runs and can be reached from here`,
    )
  }
  if (!(error instanceof DatabaseError)) return error
  const code = error.code ?? ''
  if (code === LEASE_LOST) return new LeaseLostError(error.message)
  if (code === NOT_THE_HEAD) return new Error(error.message)
  if (code === '22021') return new Error('Text with a NUL character cannot be stored: take it out', { cause: error })
  if (code === '53100' || code === '53400') {
    return failure('FULL', error, `${where} cannot grow: free space on its disk. What was acknowledged before is safe`)
  }
  if (code.startsWith('XX')) {
    return failure('DAMAGED', error, `${where} is damaged: put back a backup, or give this node another schema`)
  }
  if (code === '3F000' || code === '42P01' || code === '42883') {
    return failure('DAMAGED', error, `${where} lost a part of its schema while it was in use: start this node again`)
  }
  if (code === '42501') {
    return failure(
      'UNAVAILABLE',
      error,
      `${where} refuses this user: grant it CREATE on the database, or the schema itself`,
    )
  }
  if (code.startsWith('28'))
    return failure('UNAVAILABLE', error, `${where} refuses this user: see its name and password`)
  if (code === '3D000') return failure('UNAVAILABLE', error, `${where} is not there: create the database`)
  if (code === '25006') return failure('UNAVAILABLE', error, `${where} is read-only: name the primary server`)
  if (RETRIED.has(code) || code === '55P03' || code === '57014') {
    return failure('UNAVAILABLE', error, `${where} took too long over a step: see what else keeps the server busy`)
  }
  if (/^(08|53|57|58|25P0)/.test(code)) {
    return failure(
      'UNAVAILABLE',
      error,
      `${where} cannot be used now: see that the server runs and has connections to spare`,
    )
  }
  return error
}

function failure(code: StoreError['code'], cause: unknown, message: string): StoreError {
  return new StoreError(code, `${message} (${messageOf(cause)})`, { cause })
}

/** A refused connection to several addresses has its reasons in parts. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}
