import { asRid, ProtocolError } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { RequestError } from './http-errors.ts'

/** Parameters of a query string as Fastify reads it: percent-decoded, `+` a space, a repeated one a list. */
export type Query = Readonly<Record<string, string | readonly string[] | undefined>>

const MAX_PAGE = 1000

export function textOf(query: Query, name: string): string | undefined {
  const value = query[name]
  if (value !== undefined && typeof value !== 'string') throw invalid(name, 'is given more than once')
  return value === '' ? undefined : value
}

/** Every value of a parameter that may be repeated. */
export function textsOf(query: Query, name: string): readonly string[] {
  return [query[name] ?? []].flat().filter((value) => value !== '')
}

/** RIDs travel percent-encoded in the query, never in a path, which routers and proxies rewrite. */
export function ridOf(query: Query, name: string): Rid | undefined {
  const text = textOf(query, name)
  return text === undefined ? undefined : checkedRid(text, name)
}

export function requiredRid(query: Query, name = 'rid'): Rid {
  const rid = ridOf(query, name)
  if (rid === undefined) throw invalid(name, 'is missing')
  return rid
}

export function checkedRid(text: string, name: string): Rid {
  try {
    return asRid(text, name)
  } catch (error) {
    throw error instanceof ProtocolError ? invalid(name, error.problem) : error
  }
}

/** A page's size, or another whole number that is not negative. */
export function numberOf(query: Query, name: string, fallback: number, most = MAX_PAGE): number {
  const text = textOf(query, name)
  if (text === undefined) return fallback
  if (!/^\d{1,16}$/.test(text) || Number(text) > most) throw invalid(name, `must be a whole number from 0 to ${most}`)
  return Number(text)
}

function invalid(path: string, problem: string): RequestError {
  return new RequestError(400, `The parameter ${path} ${problem}`, [{ path, message: problem }])
}
