import { join } from 'node:path'
import { APP_OF, ROLES } from '../roles.ts'
import type { Role } from '../roles.ts'
import type { RunningService } from '../state-folder.ts'

/** How one of the three services is started. */
export interface ServicePlan {
  readonly role: Role
  /** 0 = any that is free. */
  readonly port: number
  readonly env: Readonly<Record<string, string>>
}

export interface NetworkPlan {
  /** The first of three ports; 0 = any that are free. */
  readonly port: number
  /** Absolute paths. */
  readonly state: string
  readonly data: string
  readonly verbose: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  /** Settings of all services for the servers that they share; without, each has its store in a file. */
  readonly backend?: Readonly<Record<string, string>> | undefined
}

/** The coordinator as it told of itself: the others need not trust on first use. */
export type FirstContact = Pick<RunningService, 'koi_net_url' | 'node_rid'>

const firstContactEnv = ({ koi_net_url, node_rid }: FirstContact): Record<string, string> => ({
  KOI_MCP_NETWORK__FIRST_CONTACT: koi_net_url,
  KOI_MCP_NETWORK__FIRST_CONTACT_RID: node_rid,
})

export const HOST = '127.0.0.1'

export const portOf = (firstPort: number, role: Role): number => (firstPort === 0 ? 0 : firstPort + ROLES.indexOf(role))

/**
 * Settings of a service as `KOI_MCP_*` variables. The person's own variables (timeouts, key password …) pass through; those that say who a node is and
 * where it lives are made here, for one value cannot hold for three nodes.
 */
export const planService = (
  role: Role,
  plan: NetworkPlan,
  { firstContact, baseUrl }: { firstContact?: FirstContact | undefined; baseUrl?: string } = {},
): ServicePlan => {
  // Behind a base URL, each replica takes a port of its own.
  const port = baseUrl === undefined ? portOf(plan.port, role) : 0
  return {
    role,
    port,
    env: {
      ...inherited(plan.env, plan.backend === undefined ? OURS : OURS_ON_SERVERS),
      ...plan.backend,
      KOI_MCP_NODE__NAME: APP_OF[role],
      KOI_MCP_NODE__HOST: HOST,
      KOI_MCP_NODE__PORT: String(port),
      ...(baseUrl === undefined ? {} : { KOI_MCP_NODE__BASE_URL: baseUrl }),
      KOI_MCP_PERSISTENCE__STORAGE_PATH: join(plan.state, APP_OF[role]),
      KOI_MCP_LOGGING__FORMAT: 'json',
      ...(plan.verbose ? { KOI_MCP_LOGGING__LEVEL: 'debug' } : {}),
      ...(firstContact === undefined ? {} : firstContactEnv(firstContact)),
      ...(role === 'producer' ? { KOI_MCP_DOMAINS__DATA_CATALOG__CONFIG__FOLDER: JSON.stringify(plan.data) } : {}),
    },
  }
}

const OURS =
  /^KOI_MCP_(CONFIG|NODE__(NAME|HOST|PORT|BASE_URL|PRIVATE_KEY_FILE)|NETWORK__FIRST_CONTACT(_RID)?|PERSISTENCE__(STORAGE_PATH|NAMESPACE)|LOGGING__FORMAT|DOMAINS__DATA_CATALOG__CONFIG(__.*)?)$/iu
const OURS_ON_SERVERS = new RegExp(
  `${OURS.source}|^KOI_MCP_(QUEUE__.*|PERSISTENCE__(STORAGE_TYPE|.*_URL(_FILE)?))$`,
  'iu',
)

const inherited = (env: NetworkPlan['env'], ours: RegExp): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && !ours.test(entry[0])),
  )
