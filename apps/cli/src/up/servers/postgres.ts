import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { chown, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { CliError } from '../../errors.ts'
import { socketIn } from './own-server.ts'
import type { OwnServer } from './own-server.ts'
import { ServerProcess } from './server-process.ts'
import type { ServerStart } from './server-process.ts'

const TITLE = 'Postgres'
const NAME = 'koi'
/** Debian keeps them out of the PATH, one folder a version. */
const DEBIAN = '/usr/lib/postgresql'
/** Each process of each service has a pool. */
const CONNECTIONS = 500

/** A Postgres of the network's own. Its first start makes its data. */
export const ownPostgres = async (state: string, path: string, onMake: () => void): Promise<OwnServer> => {
  const folder = join(state, 'postgres')
  const socket = socketIn(folder, '.s.PGSQL.5432')
  const programs = findPostgres(path, await versionOf(folder))
  const log = join(state, 'postgres.log')
  return {
    title: TITLE,
    url: `postgres://${NAME}@localhost/postgres?host=${encodeURIComponent(folder)}`,
    start: async (signal) => {
      if (!existsSync(folder)) {
        onMake()
        await makeData(programs, folder, log, signal)
      }
      const options = ['-k', '.', '-c', 'listen_addresses=', '-c', `max_connections=${CONNECTIONS}`]
      return ServerProcess.start(
        {
          title: TITLE,
          command: [join(programs, 'postgres'), '-D', reached(folder), ...options],
          stopSignal: 'INT',
          log,
          folder,
          user: await ownerOf(folder),
          isReady: async (pid) => existsSync(socket) && (await saysReady(folder, pid)),
        },
        signal,
      )
    },
  }
}

/** Postgres refuses to run as root: then it runs as whoever owns its data. */
const isRoot = (): boolean => process.getuid?.() === 0

/** Its folder through the descriptor that it inherits: who runs it for root may not pass through the folders above. */
const reached = (folder: string): string => (isRoot() && existsSync('/proc/self/fd') ? '/proc/self/fd/3' : folder)

const ownerOf = async (folder: string): Promise<ServerStart['user']> => {
  if (!isRoot()) return undefined
  const { uid, gid } = await stat(folder)
  return { uid, gid }
}

/** Whole or not at all: it gets its name when it is complete. */
const makeData = async (programs: string, folder: string, log: string, signal: AbortSignal): Promise<void> => {
  const draft = `${folder}.new`
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft, { mode: 0o700 })
  if (isRoot()) await chown(draft, ...(await unprivileged()))
  const [output, opened] = await Promise.all([open(log, 'a', 0o600), open(draft, 'r')])
  const args = ['-D', reached(draft), '--encoding=UTF8', '--locale=C', `--username=${NAME}`, '--auth=trust']
  const child = spawn(join(programs, 'initdb'), args, {
    cwd: '/',
    stdio: ['ignore', output.fd, output.fd, opened.fd],
    signal,
    ...(await ownerOf(draft)),
  })
  const [code] = (await once(child, 'close')) as [number]
  await Promise.all([output.close(), opened.close()])
  if (code !== 0) throw new CliError(`Postgres could not make its data in ${folder} (exit code ${code}): see ${log}`)
  await rename(draft, folder)
}

/** The user that Debian's package makes, else nobody. */
const unprivileged = async (): Promise<[uid: number, gid: number]> => {
  const id = async (flag: string, name: string): Promise<number> =>
    Number((await promisify(execFile)('id', [flag, name])).stdout)
  for (const name of ['postgres', 'nobody']) {
    try {
      return [await id('-u', name), await id('-g', name)]
    } catch {
      // There is none of that name.
    }
  }
  throw new CliError(
    'Postgres does not run as root, and there is no user postgres or nobody: run koi-mcp up as another.',
  )
}

const versionOf = async (folder: string): Promise<string | undefined> =>
  (await readFile(join(folder, 'PG_VERSION'), 'utf8').catch(() => undefined))?.trim()

/** Data are of one version: its programs first, where Debian has several. */
export const findPostgres = (path: string, version?: string): string => {
  const found = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : []
  const debian = found.map((name) => join(DEBIAN, name, 'bin'))
  const same = version === undefined ? [] : [join(DEBIAN, version, 'bin')]
  const folders = [...same, ...path.split(delimiter).filter((folder) => folder !== ''), ...debian]
  const programs = folders.find((folder) => ['initdb', 'postgres'].every((name) => existsSync(join(folder, name))))
  if (programs !== undefined) return programs
  throw new CliError(
    `Postgres is not installed: there is no initdb on the PATH or in ${DEBIAN}. Install it (Debian and Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql), or name one that runs: DATABASE_URL=postgres://….`,
  )
}

/** What `pg_ctl` waits for: the server writes its state into the file of its lock. */
const saysReady = async (folder: string, pid: number): Promise<boolean> => {
  const lock = await readFile(join(folder, 'postmaster.pid'), 'utf8').catch(() => '')
  const lines = lock.split('\n')
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready'
}
