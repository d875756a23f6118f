import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  ResourceListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { onTestFinished } from 'vitest'

/** What arrived: the URI of an update, or `list` for a change of the list. */
export type Told = string[]

/** The part that the official clients have in common, each in its own revision. */
export interface AnyClient {
  readonly sdk: Pick<
    Client,
    | 'listResources'
    | 'readResource'
    | 'listResourceTemplates'
    | 'listTools'
    | 'callTool'
    | 'getServerVersion'
    | 'getServerCapabilities'
    | 'getInstructions'
  >
  readonly told: Told
  readonly revision: () => string | undefined
  /** Subscribes to the URIs, and to the list; the connection hears of both. */
  follow(uris: readonly string[]): Promise<void>
}

const INFO = { name: 'test-client', version: '0.0.0' }

/** The client of the SDK that speaks up to 2025-11-25. */
export async function oldClient(url: URL): Promise<AnyClient> {
  const told: Told = []
  const client = new OldClient(INFO)
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void told.push(params.uri))
  client.setNotificationHandler(ResourceListChangedNotificationSchema, () => void told.push('list'))
  const transport = new OldTransport(url)
  await client.connect(transport)
  onTestFinished(() => client.close())
  return {
    sdk: client as unknown as AnyClient['sdk'],
    told,
    revision: () => transport.protocolVersion,
    async follow(uris) {
      for (const uri of uris) await client.subscribeResource({ uri })
    },
  }
}

/** The newer client as it behaves by default: as the older one. */
export async function newClientInSession(url: URL): Promise<AnyClient> {
  const { client, told } = newClient('legacy')
  await client.connect(new StreamableHTTPClientTransport(url))
  return {
    sdk: client,
    told,
    revision: () => client.getNegotiatedProtocolVersion(),
    async follow(uris) {
      for (const uri of uris) await client.subscribeResource({ uri })
    },
  }
}

/** The newer client that finds out by itself that the server speaks 2026-07-28. */
export async function newClientStateless(url: URL): Promise<AnyClient> {
  const { client, told } = newClient('auto')
  await client.connect(new StreamableHTTPClientTransport(url))
  return {
    sdk: client,
    told,
    revision: () => client.getNegotiatedProtocolVersion(),
    async follow(uris) {
      await client.listen({ resourceSubscriptions: [...uris], resourcesListChanged: true })
    },
  }
}

function newClient(mode: 'legacy' | 'auto'): { client: Client; told: Told } {
  const told: Told = []
  const client = new Client(INFO, { versionNegotiation: { mode } })
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void told.push(params.uri))
  client.setNotificationHandler('notifications/resources/list_changed', () => void told.push('list'))
  onTestFinished(() => client.close())
  return { client, told }
}
