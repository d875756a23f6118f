import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { CliError } from '../../errors.ts'
import { socketIn } from './own-server.ts'
import type { OwnServer } from './own-server.ts'
import { ServerProcess } from './server-process.ts'

const TITLE = 'Redis'

/** A Redis of the network's own, which syncs its disk before it answers a write, and never evicts. */
export const ownRedis = async (state: string, path: string): Promise<OwnServer> => {
  const program = findRedis(path)
  const folder = join(state, 'redis')
  const socket = socketIn(folder, 'redis.sock')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  return {
    title: TITLE,
    url: `redis://localhost?path=${encodeURIComponent(socket)}`,
    start: async (signal) => {
      // It would take the place of another without a word, and both would write one file.
      if (await answers(socket)) {
        throw new CliError(`A Redis server runs already in ${folder}. Stop it: redis-cli -s ${socket} shutdown`)
      }
      return ServerProcess.start(
        {
          title: TITLE,
          command: [program, ...settings(folder, socket)],
          stopSignal: 'TERM',
          log: join(state, 'redis.log'),
          folder,
          isReady: () => answers(socket),
        },
        signal,
      )
    },
  }
}

const settings = (folder: string, socket: string): string[] => [
  ...['--port', '0', '--unixsocket', socket, '--unixsocketperm', '700', '--dir', folder],
  ...['--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--maxmemory-policy', 'noeviction'],
]

export const findRedis = (path: string): string => {
  const folders = path.split(delimiter).filter((folder) => folder !== '')
  const programs = folders.flatMap((folder) => ['redis-server', 'valkey-server'].map((name) => join(folder, name)))
  const program = programs.find((file) => existsSync(file))
  if (program !== undefined) return program
  throw new CliError(
    'Redis is not installed: there is no redis-server on the PATH. Install it (Debian and Ubuntu: apt-get install redis-server; Fedora: dnf install valkey; macOS: brew install redis), or name one that runs: REDIS_URL=redis://….',
  )
}

/** Whether a server is there that has read its data. */
const answers = async (socket: string): Promise<boolean> => {
  const connection = connect(socket)
  try {
    connection.write('PING\r\n')
    const [answer] = (await once(connection, 'data')) as [Buffer]
    return answer.toString().startsWith('+PONG')
  } catch {
    return false
  } finally {
    connection.destroy()
  }
}
