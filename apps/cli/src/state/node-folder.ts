import { readFile } from 'node:fs/promises'
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { CliError } from '../errors.ts'
import { ServiceApi, ServiceUnreachable } from '../inspect/service-api.ts'
import { tokenOf } from '../inspect/token.ts'
import type { Io } from '../io.ts'

/** Which node a command is about. */
export interface NodeChoice {
  /** State folder of a network (`koi-mcp up --state`). */
  readonly state: string
  /** The node's name in it. */
  readonly name?: string | undefined
  /** The folder of a single node (`persistence.storage_path`); in place of the two. */
  readonly storage?: string | undefined
  /** What its service asks for, where it runs. */
  readonly token?: string | undefined
}

const STORE = 'knowledge.db'
/** Where every node says who it is. */
const WELL_KNOWN_PATH = '/.well-known/koi-net.json'

/** The folder of the node that is meant; a `CliError` that lists the choices where that is not clear. */
export const nodeFolder = ({ state, name, storage }: NodeChoice, io: Pick<Io, 'cwd'>): string => {
  if (storage !== undefined) {
    const folder = resolve(io.cwd, storage)
    if (existsSync(join(folder, STORE))) return folder
    throw new CliError(`${folder} is no state folder of a node: it holds no ${STORE}. Name another with --storage DIR.`)
  }
  const network = resolve(io.cwd, state)
  const names = nodesIn(network)
  if (name !== undefined && names.includes(name)) return join(network, name)
  if (names.length === 0) {
    throw new CliError(
      `No node has its state in ${network}. Name the state folder of a network with --state DIR, or that of a single node with --storage DIR.`,
    )
  }
  const which = `Name one with --name: ${names.join(', ')}.`
  throw new CliError(name === undefined ? `Which node? ${which}` : `${network} holds no node ${name}. ${which}`)
}

const nodesIn = (network: string): string[] =>
  existsSync(network) ? readdirSync(network).filter((name) => existsSync(join(network, name, STORE))) : []

/** The service that runs on a node's folder, as it says there itself. One that was killed left its word behind: another may answer there now. */
export const runningService = async (
  folder: string,
  io: Pick<Io, 'env'>,
  signal: AbortSignal,
  token?: string,
): Promise<ServiceApi | undefined> => {
  const note = await readFile(join(folder, 'service.json'), 'utf8').catch(() => undefined)
  if (note === undefined) return undefined
  const { url, node_rid } = JSON.parse(note) as { url: string; node_rid: string }
  const api = new ServiceApi(url, tokenOf(io, token))
  try {
    // What a node says of itself to everybody, so that no token is needed to find out.
    const self = (await api.json(WELL_KNOWN_PATH, [], signal)) as { rid?: unknown }
    return self.rid === node_rid ? api : undefined
  } catch (error) {
    if (error instanceof ServiceUnreachable) return undefined
    throw error
  }
}

/** The password of encrypted keys, from where the services read it. */
export const keyPassword = async ({ env }: Pick<Io, 'env'>): Promise<string | undefined> => {
  const given = env['KOI_MCP_NODE__PRIVATE_KEY_PASSWORD']
  const file = env['KOI_MCP_NODE__PRIVATE_KEY_PASSWORD_FILE']
  if (given !== undefined && given !== '') return given
  if (file === undefined || file === '') return undefined
  try {
    return (await readFile(file, 'utf8')).replace(/\r?\n$/u, '')
  } catch (error) {
    throw new CliError(`Cannot read the password of the key in ${file}: ${String(error)}`, { cause: error })
  }
}
