import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { AnswerMessage, CallMessage, Calls } from './calls.ts'

interface Asked {
  readonly resolve: (result: never) => void
  readonly reject: (error: Error) => void
}

/** A worker process as the test holds it. */
export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #asked = new Map<number, Asked>()
  readonly #died: Promise<void>
  #isAlive = true
  #wasKilled = false
  #asks = 0

  /** `program` calls `serveHistories`. */
  constructor(program: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.#child = fork(program, args, { execArgv: [], stdio: 'inherit', env })
    this.#child.on('message', (message) => {
      const { id, result, error } = message as AnswerMessage
      const asked = this.#asked.get(id)
      this.#asked.delete(id)
      if (error === undefined) asked?.resolve(result as never)
      else asked?.reject(new Error(error))
    })
    this.#died = new Promise((resolve) =>
      this.#child.once('exit', (_code, signal) => {
        this.#isAlive = false
        this.#wasKilled = signal !== null
        for (const { reject } of this.#asked.values()) reject(new Error('the process has ended'))
        this.#asked.clear()
        resolve()
      }),
    )
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** Whether a signal ended it; what ends by itself is broken. */
  get wasKilled(): boolean {
    return this.#wasKilled
  }

  /** Resolves when the process has ended. */
  get died(): Promise<void> {
    return this.#died
  }

  call<Name extends keyof Calls>(call: Name, ...[argument]: Parameters<Calls[Name]>): ReturnType<Calls[Name]> {
    const id = ++this.#asks
    return new Promise((resolve, reject) => {
      if (!this.#isAlive) return reject(new Error('the process has ended'))
      this.#asked.set(id, { resolve, reject })
      // What cannot be sent is for a process that is about to be seen to have ended.
      this.#child.send({ id, call, argument } satisfies CallMessage, () => undefined)
    }) as ReturnType<Calls[Name]>
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#died
  }
}
