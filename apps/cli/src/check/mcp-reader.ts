import { CliError } from '../errors.ts'

const REVISION = '2026-07-28'
/** JSON-RPC of MCP: there is no such resource. */
const NOT_FOUND = [-32002, -32602]

interface Answer {
  readonly result?: { readonly contents?: readonly { readonly text?: string }[] }
  readonly error?: { readonly code: number; readonly message: string }
}

/**
 * The text of a resource, read over MCP as any client does; `undefined` where there is none.
 *
 * @param url of the endpoint, such as http://127.0.0.1:9002/mcp
 * @throws CliError for any other answer
 */
export const readOverMcp = async (
  url: string,
  uri: string,
  token: string | undefined,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': REVISION,
    'io.modelcontextprotocol/clientInfo': { name: 'koi-mcp check', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const response = await fetch(url, {
    method: 'POST',
    redirect: 'error',
    signal,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': REVISION,
      'mcp-method': 'resources/read',
      'mcp-name': uri,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri, _meta: meta } }),
  })
  const body = await response.text()
  const { result, error } = answerIn(body)
  if (result !== undefined) return result.contents?.[0]?.text ?? ''
  if (error !== undefined && NOT_FOUND.includes(error.code)) return undefined
  throw new CliError(`${url} answered HTTP ${response.status}: ${body.slice(0, 200)}`)
}

const answerIn = (body: string): Answer => {
  try {
    return JSON.parse(body) as Answer
  } catch {
    return {}
  }
}
