import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { CliError } from '../../errors.ts'
import type { Keepable } from '../keeping/kept.ts'

export interface ServerStart {
  /** What people call it. */
  readonly title: string
  readonly command: readonly [program: string, ...args: string[]]
  /** What tells it to end in good order, at once. */
  readonly stopSignal: 'TERM' | 'INT'
  /** What it says goes there, behind what is there. */
  readonly log: string
  /** Its folder; open in it as descriptor 3. */
  readonly folder: string
  /** Whom it runs as; absent = this user. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
  /** Whether the process of this id answers. */
  isReady(pid: number): Promise<boolean>
}

/**
 * Stands between us and the server: tells its id, and tells it to end when our end of the pipe closes, which it does however we end. (The subshell
 * outlives one that is killed itself.)
 */
const KEEPER = `
  signal=$1; shift
  exec 9<&0
  "$@" 9<&- </dev/null >&2 &
  pid=$!
  echo "$pid"
  { cat <&9; kill -s "$signal" "$pid"; } >/dev/null 2>&1 3<&- &
  watcher=$!
  exec 9<&-
  wait "$pid"
  code=$?
  kill "$watcher" 2>/dev/null
  exit "$code"`

const START_WITHIN_MS = 60_000
const GRACE_MS = 5_000

/** A database server that answers. */
export class ServerProcess implements Keepable {
  readonly pid: number
  readonly exited: Promise<string>
  readonly #release: () => void

  private constructor(pid: number, exited: Promise<string>, release: () => void) {
    this.pid = pid
    this.exited = exited
    this.#release = release
  }

  /** Resolves when it answers; a `CliError` with its last words where it ends before. */
  static async start(plan: ServerStart, signal: AbortSignal): Promise<ServerProcess> {
    signal.throwIfAborted()
    const [log, folder] = await Promise.all([open(plan.log, 'a', 0o600), open(plan.folder, 'r')])
    const keeper = spawn('sh', ['-c', KEEPER, 'keeper', plan.stopSignal, ...plan.command], {
      // Of a session of its own: Ctrl-C is for us, and the servers go last.
      detached: true,
      cwd: '/',
      stdio: ['pipe', 'pipe', log.fd, folder.fd],
      ...plan.user,
    })
    const exited = once(keeper, 'exit').then(([code]: (number | null)[]) => {
      keeper.stdin?.destroy()
      return (code ?? 0) > 128 ? `killed by signal ${Number(code) - 128}` : `exit code ${code}`
    })
    const lines = createInterface({ input: keeper.stdout! })
    const [[line]] = (await Promise.all([once(lines, 'line'), log.close(), folder.close()])) as [[string], void, void]
    const server = new ServerProcess(Number(line), exited, () => keeper.stdin?.end())
    let how: string | undefined
    void exited.then((text) => (how = text))
    const until = performance.now() + START_WITHIN_MS
    while (!(await plan.isReady(server.pid)) && how === undefined) {
      if (performance.now() > until) how = `no answer in ${START_WITHIN_MS / 1000} s`
      await wait(20)
      if (!signal.aborted) continue
      await server.stop(GRACE_MS)
      signal.throwIfAborted()
    }
    if (how === undefined) return server
    await server.stop(0)
    throw new CliError(`${plan.title} could not start (${how}). ${await lastWords(plan.log)}`)
  }

  /** Tells it to end in good order, and kills it where it has not after `graceMs`. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    const timer = setTimeout(() => killHard(this.pid), graceMs)
    this.#release()
    await this.exited
    clearTimeout(timer)
  }
}

const killHard = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}

const lastWords = async (log: string): Promise<string> => {
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n').slice(-8)
  return `The end of ${log}:\n${lines.map((line) => `  ${line}`).join('\n')}`
}
