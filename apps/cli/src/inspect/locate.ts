import { resolve } from 'node:path'
import { CliError } from '../errors.ts'
import type { Io } from '../io.ts'
import { DEFAULT_PORT, ROLES } from '../roles.ts'
import { gatewayUrl, readRunningNetwork } from '../state-folder.ts'
import type { RunningNetwork } from '../state-folder.ts'
import { ServiceApi } from './service-api.ts'
import { tokenOf } from './token.ts'

export interface LookOptions {
  /** Address of a service; by default the gateway of the network that runs with this state folder. */
  readonly url?: string | undefined
  readonly state: string
  /** Another node of that network, by its name. */
  readonly name?: string | undefined
  readonly json?: boolean
  /** What the caller shows; by default that of the variables. */
  readonly token?: string | undefined
}

/** The service to look into: that of the address or the name, else the gateway of the running network, else where a gateway is by default. */
export const locate = async ({ url, state, name, token }: LookOptions, io: Io): Promise<ServiceApi> => {
  if (url !== undefined && !/^https?:\/\//iu.test(url)) {
    throw new CliError(`"${url}" is no address. Give one such as --url http://127.0.0.1:${GATEWAY_PORT}`)
  }
  const network = url === undefined ? await readRunningNetwork(resolve(io.cwd, state)) : undefined
  const found = url === undefined && name !== undefined ? urlOf(name, network, state) : network && gatewayUrl(network)
  return new ServiceApi(url ?? found ?? `http://127.0.0.1:${GATEWAY_PORT}`, tokenOf(io, token))
}

const urlOf = (name: string, network: RunningNetwork | undefined, state: string): string => {
  if (network === undefined) {
    throw new CliError(`No network runs with ${state}. Name it with --state DIR, or a service with --url URL.`)
  }
  const service = network.services.find((running) => running.name === name)
  if (service !== undefined) return service.url
  const names = network.services.map((running) => running.name).join(', ')
  throw new CliError(`The network of ${state} has no node ${name}. Name one with --name: ${names}.`)
}

const GATEWAY_PORT = DEFAULT_PORT + ROLES.indexOf('consumer')
