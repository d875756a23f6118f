/** The three roles of a network, in the order in which they start; they stop in the other. */
export const ROLES = ['coordinator', 'producer', 'consumer'] as const
export type Role = (typeof ROLES)[number]

/** Names that a person may give a role: the consumer's application is the MCP gateway. */
export const ROLE_NAMES = [...ROLES, 'mcp-gateway'] as const

export const roleOf = (name: (typeof ROLE_NAMES)[number]): Role => (name === 'mcp-gateway' ? 'consumer' : name)

/** The application of a role: the folder under `apps/`, and the name of its node. */
export const APP_OF: Readonly<Record<Role, string>> = {
  coordinator: 'coordinator',
  producer: 'producer',
  consumer: 'mcp-gateway',
}

/** The built entry of a role's service. Applications never import each other: the file is started. */
export const mainOf = (role: Role): URL => new URL(`../../${APP_OF[role]}/dist/main.js`, import.meta.url)

/** The first of three ports of a local network. */
export const DEFAULT_PORT = 9000
