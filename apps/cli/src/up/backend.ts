/** Where the nodes of a network keep what they know, and what wakes their processes. */
export const BACKENDS = ['redis+postgres', 'postgres', 'redis'] as const
export type Backend = (typeof BACKENDS)[number]

export type ServerName = 'redis' | 'postgres'

/** Where the servers of a backend answer. */
export type ServerUrls = Readonly<Partial<Record<ServerName, string>>>

export const serversOf = (backend: Backend): readonly ServerName[] => backend.split('+') as ServerName[]

/** Servers that the person names, in the variables that everybody knows. */
export const givenUrls = (env: Readonly<Record<string, string | undefined>>): ServerUrls => ({
  ...given('redis', env['REDIS_URL']),
  ...given('postgres', env['DATABASE_URL']),
})

const given = (name: ServerName, url: string | undefined): ServerUrls =>
  url === undefined || url === '' ? {} : { [name]: url }

/** The settings of every service on them. */
export const backendSettings = (
  backend: Backend,
  { redis = '', postgres = '' }: ServerUrls,
): Record<string, string> => {
  switch (backend) {
    case 'redis+postgres':
      return {
        KOI_MCP_PERSISTENCE__STORAGE_TYPE: 'postgres',
        KOI_MCP_PERSISTENCE__POSTGRES_URL: postgres,
        KOI_MCP_QUEUE__QUEUE_TYPE: 'bullmq',
        KOI_MCP_QUEUE__REDIS_URL: redis,
      }
    case 'postgres':
      return { KOI_MCP_PERSISTENCE__STORAGE_TYPE: 'postgres', KOI_MCP_PERSISTENCE__POSTGRES_URL: postgres }
    case 'redis':
      return {
        KOI_MCP_PERSISTENCE__STORAGE_TYPE: 'redis',
        KOI_MCP_PERSISTENCE__REDIS_URL: redis,
        KOI_MCP_QUEUE__QUEUE_TYPE: 'bullmq',
      }
  }
}
