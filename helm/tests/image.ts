/** What the image sets (deploy/image/Dockerfile). */
export const IMAGE = {
  KOI_MCP_NODE__HOST: '0.0.0.0',
  KOI_MCP_NODE__PORT: '9000',
  KOI_MCP_PERSISTENCE__STORAGE_PATH: '/var/lib/koi-mcp',
}
