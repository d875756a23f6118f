import { All, Controller, Inject, Req, Res } from '@nestjs/common'
import { RequiredPermissions } from '@koi-mcp/core'
import { Access, OpenWhere, READ_KNOWLEDGE, RequestError } from '@koi-mcp/platform'
import type { FastifyReply, FastifyRequest } from '@koi-mcp/platform'
import { McpEndpoint } from './mcp-endpoint.ts'

const MAX_BODY_BYTES = 1024 * 1024

/** JSON-RPC 2.0, "Error object". */
const PARSE_ERROR = JSON.stringify({
  jsonrpc: '2.0',
  error: { code: -32700, message: 'Parse error: the body is not JSON' },
  id: null,
})

/** Carries MCP's Streamable HTTP: the raw request and response, and the body that Fastify has read. */
@Controller('mcp')
@RequiredPermissions(READ_KNOWLEDGE)
@OpenWhere('allow_anonymous_mcp')
export class McpController {
  readonly #mcp: McpEndpoint
  readonly #access: Access
  constructor(@Inject(McpEndpoint) mcp: McpEndpoint, @Inject(Access) access: Access) {
    this.#mcp = mcp
    this.#access = access
  }

  @All()
  async handle(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { handler } = this.#mcp
    if (handler === undefined) throw new RequestError(503, 'The service is starting')
    const body = Buffer.isBuffer(request.body) && request.body.length > 0 ? request.body : undefined
    if (body !== undefined && body.length > MAX_BODY_BYTES)
      throw new RequestError(413, 'An MCP message has at most 1 MiB')
    let message: unknown
    try {
      message = body && JSON.parse(body.toString())
    } catch {
      await reply.code(400).type('application/json').send(PARSE_ERROR)
      return
    }
    reply.hijack()
    const caller = this.#access.callerOf(request.raw)
    const auth = caller && { token: '', clientId: caller.subject, scopes: [...caller.permissions] }
    await handler.handle(Object.assign(request.raw, auth && { auth }), reply.raw, message)
  }
}
