import { join } from 'node:path'
import { CliError } from '../../errors.ts'
import type { ServerProcess } from './server-process.ts'

/** A database server whose data are in the state folder: where it answers, and how it is started there each time. */
export interface OwnServer {
  readonly title: string
  readonly url: string
  start(signal: AbortSignal): Promise<ServerProcess>
}

/** What the system takes as the name of a socket, in bytes (macOS has the shortest). */
const SOCKET_BYTES = 103

/** The path of a server's socket. A socket in a folder that is this user's own needs no password, and no port that may be taken. */
export const socketIn = (folder: string, name: string): string => {
  const path = join(folder, name)
  const bytes = Buffer.byteLength(path)
  if (bytes <= SOCKET_BYTES) return path
  throw new CliError(
    `The path of the state folder is too long for a socket in it (${path}, ${bytes} bytes; ${SOCKET_BYTES} are possible). Choose another with --state DIR.`,
  )
}
