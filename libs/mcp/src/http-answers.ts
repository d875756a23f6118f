import { isJSONRPCRequest } from '@modelcontextprotocol/server'

/** A JSON-RPC error that answers no request by id, or `id`'s, with an HTTP status. */
export function errorResponse(
  status: number,
  code: number,
  message: string,
  headers: Record<string, string> = {},
  id: string | number | null = null,
): Response {
  return Response.json({ jsonrpc: '2.0', error: { code, message }, id }, { status, headers })
}

/** The ids of the requests in a posted body, which older revisions may send as a batch. */
export function idsOf(body: unknown): (string | number)[] {
  const messages: readonly unknown[] = Array.isArray(body) ? body : [body]
  return messages.filter((message) => isJSONRPCRequest(message)).map(({ id }) => id)
}

/** The answer, or a placeholder as soon as a signal says that nobody waits for it any more. */
export async function settledUnless(answer: Promise<Response>, signals: readonly AbortSignal[]): Promise<Response> {
  const waiting = new AbortController()
  const left = new Promise<Response>((resolve) => {
    const leave = (): void => resolve(errorResponse(404, -32001, 'Session not found: it ended'))
    for (const signal of signals) {
      if (signal.aborted) leave()
      signal.addEventListener('abort', leave, { signal: waiting.signal })
    }
  })
  try {
    return await Promise.race([answer, left])
  } finally {
    waiting.abort()
  }
}
