import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { onTestFinished } from 'vitest'
import { ToolInputError } from '@koi-mcp/core'
import type { KnowledgeAdapter, LogFields, Logger } from '@koi-mcp/core'
import { defineRidType } from '@koi-mcp/protocol'

import { createMcpHandler } from '../src/index.ts'
import type { McpHandler, McpHandlerOptions } from '../src/index.ts'
import { FakeKnowledge } from './fake-knowledge.ts'

export const DATASET = defineRidType('orn:data-catalog.dataset')
export const WEB = defineRidType('https')

export interface Served {
  readonly knowledge: FakeKnowledge
  readonly handler: McpHandler
  readonly url: URL
  readonly logged: { level: string; message: string; fields: LogFields | undefined }[]
}

/** An MCP server over real HTTP on a free port, closed when the test ends. */
export async function served(options: Partial<McpHandlerOptions> = {}): Promise<Served> {
  const knowledge = new FakeKnowledge()
  const logged: Served['logged'] = []
  const handler = createMcpHandler({
    knowledge,
    changes: knowledge.changes,
    adapters: [datasetAdapter],
    ridTypes: [DATASET, WEB],
    name: 'test-gateway',
    version: '1.2.3',
    log: loggerInto(logged),
    ...options,
  })
  const server = createServer((request, response) => void handler.handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    await handler.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { knowledge, handler, url: new URL(`http://127.0.0.1:${port}/mcp`), logged }
}

/** Waits until what a function finds is there; the test's own time limit ends it. */
export async function until<T>(find: () => T | undefined | false): Promise<T> {
  for (;;) {
    const found = find()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export const datasetAdapter: KnowledgeAdapter = {
  name: 'DatasetAdapter',
  ridTypes: [DATASET],
  describe({ bundle }) {
    const { name, description } = bundle.contents.value
    if (name === 'indescribable') throw new Error('secret of the adapter')
    if (typeof name !== 'string') return undefined
    return { name, title: `Dataset ${name}`, ...(typeof description === 'string' && { description }) }
  },
  tools: [
    {
      name: 'count_rows',
      title: 'Count rows',
      description: 'How many rows a dataset has.',
      inputSchema: {
        type: 'object',
        properties: { rid: { type: 'string' }, exact: { type: 'boolean' } },
        required: ['rid'],
        additionalProperties: false,
      },
      outputSchema: { type: 'object', properties: { rows: { type: 'integer' } }, required: ['rows'] },
      async call(args, { knowledge }) {
        const rid = DATASET.of(String(args['rid']).slice(DATASET.name.length + 1))
        const entity = await knowledge.read(rid)
        if (entity === undefined) throw new ToolInputError(`There is no dataset ${rid}.`)
        return { rows: entity.bundle.contents.value['rows'] as number }
      },
    },
  ],
}

function loggerInto(logged: Served['logged']): Logger {
  const at = (level: string) => (message: string, fields?: LogFields) => void logged.push({ level, message, fields })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
