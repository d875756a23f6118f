import { isJSONRPCErrorResponse, WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server'
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/server'

const INVALID_PARAMS = -32602
/** MCP 2025-11-25 and before, "Resources": the error for a resource that is not there. The SDK sends -32602, as 2026-07-28 asks. */
const RESOURCE_NOT_FOUND = -32002

/** The SDK's transport of one session, with the error code that its revisions name for a resource not found. */
export class LegacyTransport extends WebStandardStreamableHTTPServerTransport {
  override send(message: JSONRPCMessage, options?: { relatedRequestId?: RequestId }): Promise<void> {
    return super.send(isResourceNotFound(message) ? withCode(message) : message, options)
  }
}

// The SDK's own sign of this error: its data is the URI and nothing else.
function isResourceNotFound(message: JSONRPCMessage): boolean {
  if (!isJSONRPCErrorResponse(message) || message.error.code !== INVALID_PARAMS) return false
  const { data } = message.error
  return typeof data === 'object' && data !== null && Object.keys(data).join() === 'uri'
}

function withCode(message: JSONRPCMessage): JSONRPCMessage {
  return isJSONRPCErrorResponse(message)
    ? { ...message, error: { ...message.error, code: RESOURCE_NOT_FOUND } }
    : message
}
