import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CliError, errorCode, messageOf } from './errors.ts'
import type { Role } from './roles.ts'
import type { RunningServers } from './up/servers/servers.ts'

/** What `koi-mcp up` leaves in its state folder while it runs, for the commands that look into the network. */
export interface RunningNetwork {
  readonly pid: number
  readonly started: string
  readonly services: readonly RunningService[]
  /** The database servers that it started. */
  readonly servers?: RunningServers
}

export interface RunningService {
  readonly role: Role
  readonly name: string
  /** The processes behind its address. */
  readonly pids: readonly number[]
  readonly url: string
  readonly koi_net_url: string
  readonly node_rid: string
  readonly mcp_url?: string
}

const networkFile = (folder: string): string => join(folder, 'network.json')

/** `undefined` where no network runs, or none was ever started. A file that a killed `up` left is returned too. */
export const readRunningNetwork = async (folder: string): Promise<RunningNetwork | undefined> => {
  try {
    return JSON.parse(await readFile(networkFile(folder), 'utf8')) as RunningNetwork
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR' || error instanceof SyntaxError)
      return undefined
    throw new CliError(`Cannot read ${networkFile(folder)}: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * The state folder as its one owner holds it. The lock is a SQLite file in an open exclusive transaction: the operating system lets go of
 * it however this process ends, and nobody has to guess whether a process id still means the same process.
 */
export class OwnedStateFolder {
  readonly path: string
  readonly #lock: DatabaseSync
  #announced: Promise<void> = Promise.resolve()

  private constructor(path: string, lock: DatabaseSync) {
    this.path = path
    this.#lock = lock
  }

  /** Makes the folder where it is missing. Throws a `CliError` when another process owns it, naming that process. */
  static async own(path: string): Promise<OwnedStateFolder> {
    try {
      // Keys live here: nobody else may look in.
      await mkdir(path, { recursive: true, mode: 0o700 })
    } catch (error) {
      throw new CliError(
        `Cannot make the state folder ${path}: ${messageOf(error)}. Choose another with --state DIR.`,
        {
          cause: error,
        },
      )
    }
    let lock: DatabaseSync | undefined
    try {
      lock = new DatabaseSync(join(path, 'up.lock'), { timeout: 200 })
      lock.exec('BEGIN EXCLUSIVE')
      return new OwnedStateFolder(path, lock)
    } catch (error) {
      lock?.close()
      if (!/locked/u.test(messageOf(error))) {
        throw new CliError(
          `Cannot use the state folder ${path}: ${messageOf(error)}. Choose another with --state DIR.`,
          {
            cause: error,
          },
        )
      }
      const owner = await readRunningNetwork(path)
      const who =
        owner === undefined
          ? 'another "koi-mcp up"'
          : `process ${owner.pid} ("koi-mcp up", at ${gatewayUrl(owner) ?? 'an unknown address'})`
      throw new CliError(
        `The state folder ${path} is in use by ${who}. Stop that one, or choose another folder with --state DIR.`,
      )
    }
  }

  /** Whole or not at all: readers never see half of it. One after the other, for the last is what is so. */
  announce(network: RunningNetwork): Promise<void> {
    const write = async (): Promise<void> => {
      const draft = `${networkFile(this.path)}.${process.pid}`
      await writeFile(draft, `${JSON.stringify(network, null, 2)}\n`, { mode: 0o600 })
      await rename(draft, networkFile(this.path))
    }
    this.#announced = this.#announced.then(write, write)
    return this.#announced
  }

  async withdraw(): Promise<void> {
    await this.#announced.catch(() => undefined)
    await rm(networkFile(this.path), { force: true })
  }

  release(): void {
    if (this.#lock.isOpen) this.#lock.close()
  }
}

export const gatewayUrl = (network: RunningNetwork): string | undefined =>
  network.services.find((service) => service.role === 'consumer')?.url
