import { request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

import { onTestFinished } from 'vitest'

export interface RawAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly json: RpcMessage
}

/** A JSON-RPC message with the members of all its kinds; the test knows which it expects. */
export interface RpcMessage {
  readonly method?: string
  readonly result: Readonly<Record<string, unknown>>
  readonly error: { readonly code: number }
}

export const JSON_HEADERS = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
}

/** One HTTP exchange with headers as given, `host` too. */
export async function send(
  url: URL,
  options: { method?: string; headers?: Record<string, string>; body?: unknown },
): Promise<RawAnswer> {
  const response = await open(url, options)
  const body = await textOf(response)
  const json = (body.startsWith('{') ? JSON.parse(body) : {}) as RpcMessage
  return { status: response.statusCode ?? 0, headers: response.headers, body, json }
}

/** The response as soon as its head is there. */
export function open(
  url: URL,
  {
    method = 'POST',
    headers = JSON_HEADERS,
    body,
  }: { method?: string; headers?: Record<string, string>; body?: unknown },
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers, agent: false }, resolve)
    request.on('error', reject)
    onTestFinished(() => void request.destroy())
    request.end(typeof body === 'string' || body === undefined ? body : JSON.stringify(body))
  })
}

export function rpc(method: string, params: object = {}, id: string | number = 1) {
  return { jsonrpc: '2.0', id, method, params }
}

export interface RawSession {
  readonly headers: Record<string, string>
  call(method: string, params?: object, id?: string | number): Promise<RawAnswer>
  /** Opens the session's stream of notifications. */
  stream(): Promise<IncomingMessage>
}

export async function rawSession(url: URL, protocolVersion = '2025-11-25'): Promise<RawSession> {
  const answer = await send(url, { body: initialize(protocolVersion) })
  if (answer.status !== 200) throw new Error(`initialize: ${answer.status} ${answer.body}`)
  const id = String(answer.headers['mcp-session-id'])
  const headers = { ...JSON_HEADERS, 'mcp-session-id': id, 'mcp-protocol-version': protocolVersion }
  return {
    headers,
    call: (method, params, requestId) => send(url, { headers, body: rpc(method, params, requestId) }),
    stream: () => open(url, { method: 'GET', headers }),
  }
}

export function initialize(protocolVersion: string) {
  return rpc('initialize', { protocolVersion, capabilities: {}, clientInfo: { name: 'raw', version: '0' } })
}

/** A request of revision 2026-07-28 and the headers it needs. */
export function stateless(method: string, params: object = {}, name?: string) {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '0' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  return {
    headers: {
      ...JSON_HEADERS,
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(name !== undefined && { 'mcp-name': name }),
    },
    body: rpc(method, { ...params, _meta: meta }),
  }
}

/** The JSON-RPC messages of an event stream, as they come. */
export function messagesOf(stream: IncomingMessage): RpcMessage[] {
  const messages: RpcMessage[] = []
  let rest = ''
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    const events = (rest + chunk).split('\n\n')
    rest = events.pop() ?? ''
    for (const event of events) {
      const data = event.split('\n').find((line) => line.startsWith('data: '))
      if (data !== undefined) messages.push(JSON.parse(data.slice(6)) as RpcMessage)
    }
  })
  return messages
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string
  return text
}
