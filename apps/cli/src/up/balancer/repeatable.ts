import type { IncomingMessage } from 'node:http'

/**
 * Whether a request may be done twice, where it is not known whether it was done: reads, KOI-net (an envelope that comes again changes nothing, and
 * the events of a poll are leased), publishing under an `Idempotency-Key`, and what MCP says in its head that it only reads.
 */
export const isRepeatable = ({
  method,
  url = '',
  headers,
}: Pick<IncomingMessage, 'method' | 'url' | 'headers'>): boolean => {
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return true
  if (url.startsWith('/koi-net/') || headers['idempotency-key'] !== undefined) return true
  return MCP_READS.test(String(headers['mcp-method'] ?? ''))
}

/** What 2026-07-28 has that is no call of a tool, whatever that does. */
const MCP_READS =
  /^(server\/discover|ping|(resources|tools|prompts)\/(list|read|get|templates\/list)|subscriptions\/listen|completion\/complete)$/u
