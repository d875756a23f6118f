import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

const START_MS = 60_000
/** Reads one order a line: `start`, or a signal for the server; answers each with a line. Ends with its input, and takes all with it. */
const KEEPER = `
  folder=$1 program=$2
  shift 2
  while read -r order; do
    case $order in
      start)
        "$program" --port 0 --unixsocket "$folder/redis.sock" --dir "$folder" --appendonly yes --appendfsync always --save '' "$@" \\
          >>"$folder/server.log" 2>&1 </dev/null &
        pid=$!
        ;;
      *) kill -s "$order" "$pid"; case $order in KILL | TERM) wait "$pid" 2>/dev/null ;; esac ;;
    esac
    echo "$order"
  done
  kill -s KILL "$pid" 2>/dev/null
  rm -rf "$folder"`

/** The program of a Redis server, or of Valkey, on the path given. */
export function findRedis(path: string): string | undefined {
  const programs = path.split(delimiter).flatMap((folder) => {
    return ['redis-server', 'valkey-server'].map((name) => join(folder, name))
  })
  return programs.find((program) => existsSync(program))
}

/**
 * A Redis server of a test's own, on a Unix socket in a folder of its own, that syncs its disk for each write as in production. A process that
 * waits for our end stops it and removes the folder, also when the tests are killed.
 */
export class RedisServer {
  readonly #folder: string
  readonly #keeper: ChildProcess
  readonly #answers: AsyncIterator<string>

  /**
   * @param program as found by `findRedis`
   * @param settings beside those of every server, as on its command line
   */
  static async start(program: string, settings: readonly string[] = []): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), 'koi-redis-'))
    // Of a group of its own, so that the signal which ends the tests leaves it the time to clean up.
    const keeper = spawn('sh', ['-c', KEEPER, 'keeper', folder, program, ...settings], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const server = new RedisServer(folder, keeper)
    await server.startAgain()
    keeper.unref()
    return server
  }

  private constructor(folder: string, keeper: ChildProcess) {
    this.#folder = folder
    this.#keeper = keeper
    this.#answers = createInterface({ input: keeper.stdout! })[Symbol.asyncIterator]()
  }

  get url(): string {
    return `redis://localhost?path=${this.#socket}`
  }

  /** `KILL` is a crash, `TERM` a shutdown; `STOP` leaves it deaf until `CONT`. */
  async signal(signal: 'KILL' | 'TERM' | 'STOP' | 'CONT'): Promise<void> {
    await this.#order(signal)
  }

  /** Resolves when the server has read its log and answers. */
  async startAgain(): Promise<void> {
    await this.#order('start')
    const until = performance.now() + START_MS
    while (!(await answers(this.#socket))) {
      if (performance.now() > until) {
        throw new Error(`Redis did not start: ${readFileSync(join(this.#folder, 'server.log'), 'utf8')}`)
      }
      await sleep(10)
    }
  }

  async remove(): Promise<void> {
    if (this.#keeper.exitCode !== null) return
    const exit = once(this.#keeper, 'exit')
    this.#keeper.ref()
    this.#keeper.stdin?.end()
    await exit
  }

  get #socket(): string {
    return join(this.#folder, 'redis.sock')
  }

  async #order(order: string): Promise<void> {
    this.#keeper.stdin?.write(`${order}\n`)
    await this.#answers.next()
  }
}

/** Whether a server is there that has read its data. */
async function answers(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    socket.write('PING\r\n')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    return answer.toString().startsWith('+PONG')
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
