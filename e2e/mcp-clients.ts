import { Client as NewClient, StreamableHTTPClientTransport as NewTransport } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { onTestFinished } from 'vitest'

/** What these tests use of an MCP client, whichever generation it is of. */
export interface McpClient {
  list(): Promise<readonly string[]>
  /** The text of a resource, exactly. */
  read(uri: string): Promise<string>
  call(tool: string, args: Record<string, unknown>): Promise<unknown>
  subscribe(uri: string): Promise<void>
  /** URIs of the updates told so far. */
  readonly updates: readonly string[]
}

const INFO = { name: 'e2e', version: '0.0.0' }

type Connected = Pick<NewClient, 'listResources' | 'readResource' | 'callTool'>

const common = (sdk: Connected, updates: readonly string[]): Omit<McpClient, 'subscribe'> => ({
  updates,
  async list() {
    const uris: string[] = []
    let cursor: string | undefined
    do {
      const page = await sdk.listResources(cursor === undefined ? {} : { cursor })
      uris.push(...page.resources.map(({ uri }) => uri))
      cursor = page.nextCursor
    } while (cursor !== undefined)
    return [...new Set(uris)]
  },
  async read(uri) {
    const { contents } = await sdk.readResource({ uri })
    return (contents[0] as { text: string }).text
  },
  async call(name, args) {
    return (await sdk.callTool({ name, arguments: args })).structuredContent
  },
})

/** The official client up to 2025-11-25. */
export const olderClient = async (url: URL): Promise<McpClient> => {
  const updates: string[] = []
  const client = new Client(INFO)
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void updates.push(params.uri))
  await client.connect(new StreamableHTTPClientTransport(url))
  onTestFinished(() => client.close())
  return {
    ...common(client as unknown as Connected, updates),
    subscribe: async (uri) => void (await client.subscribeResource({ uri })),
  }
}

/** Its successor, speaking 2026-07-28. */
export const newerClient = async (url: URL): Promise<McpClient> => {
  const updates: string[] = []
  const client = new NewClient(INFO, { versionNegotiation: { mode: 'auto' } })
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void updates.push(params.uri))
  await client.connect(new NewTransport(url))
  onTestFinished(() => client.close())
  return {
    ...common(client, updates),
    subscribe: async (uri) => void (await client.listen({ resourceSubscriptions: [uri] })),
  }
}
