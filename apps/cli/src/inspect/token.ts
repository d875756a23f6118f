import type { Io } from '../io.ts'

/**
 * What a caller shows: what was given, else `KOI_MCP_TOKEN`, else the token of a service's own configuration. A command line is seen by everybody on the
 * machine, so a variable is better for what lasts.
 */
export const tokenOf = ({ env }: Pick<Io, 'env'>, given?: string): string | undefined =>
  [given, env['KOI_MCP_TOKEN'], env['KOI_MCP_SECURITY__PUBLISH_TOKEN']].find(
    (token) => token !== undefined && token !== '',
  )
