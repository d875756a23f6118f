import type { NodeSettings } from '../config/settings.ts'

/** What keeps a service from starting, in words for who started it: what is wrong and the fix. `undefined` for a fault of the program. */
export function explainError(error: unknown, node?: Pick<NodeSettings, 'port' | 'host'>): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  const { syscall } = error as NodeJS.ErrnoException
  if (syscall === 'listen' && node !== undefined) return listenProblem(error.code, node) ?? error.message
  if (syscall === 'mkdir') {
    return `${error.message}: choose another folder with persistence.storage_path (KOI_MCP_PERSISTENCE__STORAGE_PATH)`
  }
  // Node's own complaints about how it is called are faults of the program.
  return error.code.startsWith('ERR_') && !error.code.startsWith('ERR_PARSE_ARGS') ? undefined : error.message
}

function listenProblem(code: string, { port, host }: Pick<NodeSettings, 'port' | 'host'>): string | undefined {
  const setting = 'node.port (KOI_MCP_NODE__PORT)'
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is in use: stop what listens there, or choose another with ${setting}; 0 takes any free one`
    case 'EACCES':
      return `This user may not listen on port ${port}: choose one above 1023 with ${setting}`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is no address of this machine: choose one with node.host (KOI_MCP_NODE__HOST)`
    default:
      return undefined
  }
}
