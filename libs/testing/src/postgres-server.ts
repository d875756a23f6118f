import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const DEBIAN = '/usr/lib/postgresql'
const USER = 'koi'

/** The folder with `initdb` and `pg_ctl`: on the path given, or the newest of Debian's. */
export function findPostgres(path: string): string | undefined {
  const debian = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [...path.split(delimiter), ...debian.map((version) => join(DEBIAN, version, 'bin'))]
  return folders.find((folder) => ['initdb', 'pg_ctl'].every((name) => existsSync(join(folder, name))))
}

/** For networks of many processes, each with a pool. */
const CONNECTIONS = 300

/**
 * A Postgres server of a test's own, on a Unix socket in a folder of its own, that syncs its disk as in production. A process that waits for
 * our end stops it and removes the folder, also when the tests are killed.
 */
export class PostgresServer {
  readonly #binaries: string
  readonly #folder: string
  readonly #keeper: ChildProcess

  /** @param binaries as found by `findPostgres` */
  static async start(binaries: string): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), 'koi-pg-'))
    const script = `
      set -e
      "$1/initdb" -D "$2/data" -E UTF8 --locale=C -U ${USER} -A trust --no-sync >"$2/initdb.log" 2>&1
      "$1/pg_ctl" -D "$2/data" -w -l "$2/server.log" -o "-k $2 -c listen_addresses= -c max_connections=${CONNECTIONS}" start >/dev/null
      echo ready
      cat >/dev/null || true
      "$1/pg_ctl" -D "$2/data" -m immediate stop >/dev/null 2>&1 || true`
    const remove = 'status=0; "$@" || { status=$?; cat "$folder"/*.log >&2; }; rm -rf "$folder"; exit $status'
    const asUser = isRoot() ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] : []
    const own = isRoot() ? 'chown postgres "$folder"; ' : ''
    const args = ['-c', `folder=$1; shift; ${own}${remove}`, 'keeper', folder, ...asUser, 'sh', '-c', script, 'keeper']
    // Of a group of its own, so that the signal which ends the tests leaves it the time to clean up.
    const keeper = spawn('sh', [...args, binaries, folder], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const server = new PostgresServer(binaries, folder, keeper)
    await isReady(keeper)
    return server
  }

  private constructor(binaries: string, folder: string, keeper: ChildProcess) {
    this.#binaries = binaries
    this.#folder = folder
    this.#keeper = keeper
  }

  get url(): string {
    return `postgres://${USER}@localhost/postgres?host=${this.#folder}`
  }

  /** `immediate` is a crash: nothing is finished, and the next start recovers from the log. */
  async stop(mode: 'fast' | 'immediate'): Promise<void> {
    await this.#control('stop', '-m', mode)
  }

  async startAgain(): Promise<void> {
    await this.#control(
      'start',
      '-w',
      '-l',
      join(this.#folder, 'server.log'),
      '-o',
      `-k ${this.#folder} -c listen_addresses= -c max_connections=${CONNECTIONS}`,
    )
  }

  async remove(): Promise<void> {
    if (this.#keeper.exitCode !== null) return
    const exit = once(this.#keeper, 'exit')
    this.#keeper.stdin?.end()
    await exit
  }

  async #control(...args: string[]): Promise<void> {
    const command = [join(this.#binaries, 'pg_ctl'), '-D', join(this.#folder, 'data'), ...args]
    if (isRoot()) command.unshift('setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups')
    const [file = '', ...rest] = command
    // A server that starts keeps what it was given open: no pipe may wait for its end.
    await promisify(execFile)('sh', ['-c', '"$@" >/dev/null 2>&1', 'control', file, ...rest], { cwd: '/' })
  }
}

async function isReady(keeper: ChildProcess): Promise<void> {
  let errors = ''
  keeper.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const ready = once(keeper.stdout!, 'data')
  const ended = once(keeper, 'close').then(() => Promise.reject(new Error(`Postgres did not start: ${errors}`)))
  ended.catch(() => undefined)
  await Promise.race([ready, ended])
  keeper.unref()
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}
