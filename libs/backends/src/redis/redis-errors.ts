import { ReplyError } from 'ioredis'
import { LeaseLostError, StoreError } from '@koi-mcp/core'

/** Turns failures of the server and the way to it into `StoreError`s that say the fix; our own mistakes pass unchanged. */
export function storeError(error: unknown, where: string): unknown {
  if (error instanceof StoreError) return error
  if (!(error instanceof ReplyError)) {
    return failure(
      'UNAVAILABLE',
      error,
      `${where} does not answer: see that the server runs and can be reached from here`,
    )
  }
  return replyError(error as Error, where)
}

/** What is wrong with something stored that cannot be read. */
export function readingError(error: unknown, where: string): unknown {
  if (!(error instanceof SyntaxError)) return error
  return failure(
    'DAMAGED',
    error,
    `${where} holds what cannot be read: put back a backup, or give this node another namespace`,
  )
}

/** The store is not the one that was opened. */
export function goneError(where: string, cause?: Error): StoreError {
  const text = 'lost its data, or was given to another, while it was in use'
  return new StoreError('DAMAGED', `${where} ${text}: put back a backup, or start this node again, which begins anew`, {
    cause,
  })
}

/** The first word of an error reply says what it is; KOI… are our own scripts'. */
function replyError(error: Error, where: string): unknown {
  const message = error.message.replace(/ script: [0-9a-f]{40}, on @.*$/s, '')
  const [code = '', ...words] = message.split(' ')
  const fails = (kind: StoreError['code'], text: string) => failure(kind, message, `${where} ${text}`, error)
  switch (code) {
    case 'KOILEASE':
      return new LeaseLostError(words.join(' '))
    case 'KOIHEAD':
      return new Error(words.join(' '))
    case 'KOIGONE':
      return goneError(where, error)
    case 'KOIDAMAGED':
    case 'WRONGTYPE':
      return fails('DAMAGED', 'is damaged: put back a backup, or give this node another namespace')
    case 'OOM':
      return fails('FULL', 'cannot grow: raise maxmemory, or give it more memory. What was acknowledged before is safe')
    case 'MISCONF':
      return fails('FULL', 'cannot write to its disk: free space on it. What was acknowledged before is safe')
    case 'NOAUTH':
    case 'WRONGPASS':
    case 'NOPERM':
      return fails(
        'UNAVAILABLE',
        'refuses this user: see its name, its password and its rights (commands of scripts and pub/sub, on the keys and channels of the namespace)',
      )
    case 'READONLY':
      return fails('UNAVAILABLE', 'is read-only: name the primary server')
    case 'MOVED':
    case 'ASK':
    case 'CROSSSLOT':
    case 'CLUSTERDOWN':
      return fails('UNAVAILABLE', 'is part of a cluster: name a server outside of one')
    case 'NOREPLICAS':
      return fails(
        'UNAVAILABLE',
        'has fewer replicas than it was told to wait for (min-replicas-to-write): see that they run',
      )
    case 'LOADING':
    case 'MASTERDOWN':
    case 'BUSY':
      return fails('UNAVAILABLE', 'cannot be used now: see what else keeps the server busy')
    default:
      return /max number of clients|unknown command/.test(message)
        ? fails('UNAVAILABLE', 'refuses what this node needs of it: see its settings')
        : error
  }
}

function failure(code: StoreError['code'], cause: unknown, message: string, original = cause): StoreError {
  return new StoreError(code, `${message} (${messageOf(cause)})`, { cause: original })
}

/** A refused connection to several addresses has its reasons in parts. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}
