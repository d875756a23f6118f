import { resolve } from 'node:path'
import { CliError } from '../errors.ts'
import type { Io } from '../io.ts'
import { DEFAULT_PORT, ROLES } from '../roles.ts'
import { gatewayUrl, readRunningNetwork } from '../state-folder.ts'
import { ServiceApi } from './service-api.ts'

export interface LookOptions {
  /** Address of a service; by default the gateway of the network that runs with this state folder. */
  readonly url?: string | undefined
  readonly state: string
  readonly json?: boolean
}

/** The service to look into: the one named, else the gateway of the running network, else where a gateway is by default. */
export const locate = async ({ url, state }: LookOptions, io: Io): Promise<ServiceApi> => {
  if (url !== undefined && !/^https?:\/\//iu.test(url)) {
    throw new CliError(`"${url}" is no address. Give one such as --url http://127.0.0.1:${GATEWAY_PORT}`)
  }
  const network = url === undefined ? await readRunningNetwork(resolve(io.cwd, state)) : undefined
  const found = network === undefined ? undefined : gatewayUrl(network)
  return new ServiceApi(url ?? found ?? `http://127.0.0.1:${GATEWAY_PORT}`, io.env['KOI_MCP_SECURITY__PUBLISH_TOKEN'])
}

const GATEWAY_PORT = DEFAULT_PORT + ROLES.indexOf('consumer')
