/** What this service's own API knows of permissions. Changing knowledge, and the node itself, are apart from reading, and from each other. */
export const READ_KNOWLEDGE = 'knowledge:read'
/** To publish, and to forget, in this node's name. */
export const PUBLISH_KNOWLEDGE = 'knowledge:publish'
/** Dead letters (which hold contents) and backups (which hold the private key). */
export const ADMINISTER_NODE = 'node:admin'

export const PERMISSIONS = [READ_KNOWLEDGE, PUBLISH_KNOWLEDGE, ADMINISTER_NODE] as const
