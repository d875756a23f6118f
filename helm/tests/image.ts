/** What the image sets (deploy/image/Dockerfile). */
export const IMAGE = {
  KOI_MCP_NODE__HOST: '0.0.0.0',
  KOI_MCP_NODE__PORT: '9000',
  KOI_MCP_PERSISTENCE__STORAGE_PATH: '/var/lib/koi-mcp',
}

/** Settings of the chart that services of this release do not have yet: take out what they have. */
export const NOT_YET = ['metrics', 'security.enable_auth', 'security.auth_provider']
