import { STATUS_CODES } from 'node:http'
import { Catch, HttpException, Inject } from '@nestjs/common'
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common'
import type { FastifyReply } from 'fastify'
import { AuthError, StoreError } from '@koi-mcp/core'
import { SERVICE } from '../service/service.ts'
import type { Service } from '../service/service.ts'

/** One field of a request that is not as it must be. */
export interface FieldProblem {
  readonly path: string
  readonly message: string
}

/** The body of every error that this service's own API answers. */
interface ErrorBody {
  readonly statusCode: number
  readonly error: string
  readonly message: string
  readonly fields?: readonly FieldProblem[]
}

/** An error for the caller: what is wrong, and with which fields. */
export class RequestError extends HttpException {
  readonly fields: readonly FieldProblem[]
  constructor(status: number, message: string, fields: readonly FieldProblem[] = []) {
    super(message, status)
    this.fields = fields
  }
}

/** The one place where errors become answers. A 500 tells the caller nothing of the inside; the log has it. */
@Catch()
export class HttpErrors implements ExceptionFilter {
  readonly #service: Service
  constructor(@Inject(SERVICE) service: Service) {
    this.#service = service
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>()
    const body = errorBody(error)
    if (body.statusCode === 500)
      this.#service.log.error('a request failed', { error, path: reply.request.url.split('?')[0] })
    if (reply.sent) return
    if (body.statusCode === 503) void reply.header('retry-after', '1')
    if (error instanceof AuthError) void reply.headers(error.headers)
    // Whoever sends too much is not read to the end.
    if (body.statusCode === 413) void reply.header('connection', 'close')
    void reply.code(body.statusCode).type('application/json; charset=utf-8').send(JSON.stringify(body))
  }
}

const STORE_TROUBLE: Readonly<Partial<Record<StoreError['code'], string>>> = {
  FULL: 'The disk of this node is full',
  DAMAGED: 'The store of this node is damaged; its log says what to do',
}

function errorBody(error: unknown): ErrorBody | { readonly statusCode: 503 } {
  const health = healthResult(error)
  if (health !== undefined) return { statusCode: 503, ...health }
  if (error instanceof RequestError) {
    const fields = error.fields.length === 0 ? {} : { fields: error.fields }
    return { ...plain(error.getStatus(), error.message), ...fields }
  }
  if (error instanceof AuthError) return plain(error.status, error.message)
  if (error instanceof HttpException) return plain(error.getStatus(), error.message)
  if (error instanceof StoreError)
    return plain(503, STORE_TROUBLE[error.code] ?? 'The store of this node cannot be used now')
  // What Fastify itself refuses: too large, of another content type, a malformed URL.
  const { statusCode, message } = error as { statusCode?: unknown; message?: unknown }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) return plain(statusCode, String(message))
  return plain(500, 'Something went wrong in this node; its log says what')
}

/** What terminus found when a check failed: the body of `/readyz`. */
function healthResult(error: unknown): object | undefined {
  const response: unknown = error instanceof HttpException ? error.getResponse() : undefined
  return typeof response === 'object' && response !== null && 'details' in response ? response : undefined
}

function plain(statusCode: number, message: string): ErrorBody {
  return { statusCode, error: STATUS_CODES[statusCode] ?? 'Error', message }
}
