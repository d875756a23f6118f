import type { NodeOptions } from '@koi-mcp/core'

/** What is read of a service's settings; `KoiMcpSettings` of `@koi-mcp/platform` fits it. */
export interface BackendSettings {
  readonly node: { readonly name: string }
  readonly persistence: {
    readonly storage_type: 'file' | 'redis' | 'postgres'
    readonly postgres_url?: string | undefined
    readonly redis_url?: string | undefined
    readonly namespace?: string | undefined
  }
  readonly queue: { readonly queue_type: 'store' | 'bullmq'; readonly redis_url?: string | undefined }
}

/**
 * The options of a node by which its processes share a store and wake each other, as the settings choose; none for a node of one process, with its
 * store in a file. A server's client is loaded when it is opened: one that is not used costs neither time nor memory.
 */
export function backendOf(settings: BackendSettings): Pick<NodeOptions, 'openStore' | 'openQueue'> {
  const { node, persistence, queue } = settings
  const namespace = persistence.namespace ?? namespaceOf(node.name)
  const queueUrl = queue.redis_url ?? persistence.redis_url ?? ''
  const waking: Pick<NodeOptions, 'openQueue'> =
    queue.queue_type === 'store'
      ? {}
      : {
          openQueue: async (context) => {
            const { openBullQueue } = await import('./bullmq/bull-queue.ts')
            return openBullQueue({ url: queueUrl, namespace, ...context })
          },
        }
  switch (persistence.storage_type) {
    case 'file':
      return {}
    case 'postgres': {
      const url = persistence.postgres_url ?? ''
      return {
        ...waking,
        openStore: async (context) => {
          const { openPostgresStore } = await import('./postgres/open-postgres-store.ts')
          return openPostgresStore({ url, schema: namespace, ...context })
        },
      }
    }
    case 'redis': {
      const url = persistence.redis_url ?? ''
      return {
        ...waking,
        openStore: async (context) => {
          const { openRedisStore } = await import('./redis/open-redis-store.ts')
          return openRedisStore({ url, namespace, ...context })
        },
      }
    }
  }
}

const LONGEST = 63

/** Names that become one namespace are two nodes all the same: the second is refused, and told to choose another. */
function namespaceOf(name: string): string {
  return `koi_${name.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_')}`.slice(0, LONGEST)
}
