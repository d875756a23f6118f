import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { Network, place } from './koi-mcp.ts'
import { newerClient } from './mcp-clients.ts'

/** A span as OTLP/JSON has it (opentelemetry-proto, `trace.proto`), with the service that sent it. */
interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly links?: readonly { readonly traceId: string }[]
  readonly service: string
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: {
      readonly attributes: readonly { readonly key: string; readonly value: { stringValue?: string } }[]
    }
    readonly scopeSpans: readonly { readonly spans: readonly Omit<Span, 'service'>[] }[]
  }[]
}

/** A collector that keeps what it is sent. */
async function receiver(): Promise<{ readonly url: string; readonly spans: readonly Span[] }> {
  const spans: Span[] = []
  const server = createServer((request, response) => {
    void json(request).then((body) => {
      for (const { resource, scopeSpans } of (body as Export).resourceSpans) {
        const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? ''
        for (const scope of scopeSpans) spans.push(...scope.spans.map((span) => ({ ...span, service })))
      }
      response.setHeader('content-type', 'application/json').end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(
    () => new Promise<void>((resolve) => void (server.close(() => resolve()), server.closeAllConnections())),
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans }
}

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'
const MCP_TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'

test(
  'one publication is one trace, through three services to the MCP client that is told',
  { timeout: 120_000 },
  async () => {
    const { url, spans } = await receiver()
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_TRACES_SAMPLER: 'parentbased_always_off',
      OTEL_BSP_SCHEDULE_DELAY: '100',
    }
    const network = await Network.up(await place(), { env })
    const publish = async (location: string, headers: Record<string, string> = {}) => {
      const object = { name: 'orders', format: 'csv', location }
      const response = await fetch(`${network.service('producer').url}/publish`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ schema: 'DatasetMetadata', object }),
      })
      return ((await response.json()) as { rid: string }).rid
    }
    const rid = await publish('file:///1')
    const mcp = await newerClient(new URL(network.service('consumer').mcp_url!))
    await expect.poll(() => mcp.list()).toContain(rid)
    await mcp.subscribe(rid)
    // Nobody asked for the traces of all that.
    expect(spans).toEqual([])

    await publish('file:///2', { traceparent: `00-${TRACE}-${CALLER}-01` })
    await expect.poll(() => mcp.updates).toContain(rid)
    const ofTrace = () => spans.filter(({ traceId }) => traceId === TRACE)
    await expect.poll(() => ofTrace().map(({ name }) => name)).toContain('notify MCP clients')

    /** From a span up to the caller's, as "service: name". */
    const wayTo = (span: Span | undefined): string[] => {
      const steps: string[] = []
      for (let at = span; at !== undefined;) {
        steps.unshift(`${at.service}: ${at.name}`)
        if (at.parentSpanId === CALLER) return ['caller', ...steps]
        at = spans.find(({ spanId }) => spanId === at?.parentSpanId)
      }
      return steps
    }
    const told = ofTrace().find(({ name }) => name === 'notify MCP clients')
    await expect
      .poll(() => wayTo(told))
      .toEqual([
        'caller',
        'koi-mcp-producer: publish',
        'koi-mcp-producer: handle orn:data-catalog.dataset',
        'koi-mcp-producer: deliver',
        'koi-mcp-producer: POST /events/broadcast',
        'koi-mcp-mcp-gateway: POST /events/broadcast',
        'koi-mcp-mcp-gateway: handle orn:data-catalog.dataset',
        'koi-mcp-mcp-gateway: notify MCP clients',
      ])
    expect(ofTrace().map(({ name }) => name)).toContain('sign envelope')
    await expect.poll(() => new Set(ofTrace().map(({ service }) => service)).size).toBe(3)

    // A client says in `_meta` which trace its call belongs to.
    await fetch(network.service('consumer').mcp_url!, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'resources/read',
        'mcp-name': rid,
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'resources/read',
        params: {
          uri: rid,
          _meta: {
            traceparent: `00-${MCP_TRACE}-${CALLER}-01`,
            'io.modelcontextprotocol/protocolVersion': '2026-07-28',
            'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
            'io.modelcontextprotocol/clientCapabilities': {},
          },
        },
      }),
    })
    await expect
      .poll(() => spans.filter(({ traceId }) => traceId === MCP_TRACE))
      .toMatchObject([{ name: 'mcp resources/read', parentSpanId: CALLER }])
  },
)
