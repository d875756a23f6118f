import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

type Commands<C> = { readonly [K in keyof C]: { args: unknown; answer: unknown } }

/** A TypeScript file of this folder as a child process that answers commands, one at a time. */
export class CommandProcess<C extends Commands<C>> {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #next = 0

  /** @param file absolute path */
  constructor(file: string) {
    this.#child = fork(file, [], {
      execArgv: ['--conditions=@koi-mcp/source', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'advanced',
    })
    this.#child.on('message', (message: { id: number; answer?: unknown; error?: string }) => {
      const waiting = this.#waiting.get(message.id)
      this.#waiting.delete(message.id)
      if (message.error === undefined) waiting?.resolve(message.answer)
      else waiting?.reject(new Error(message.error))
    })
    this.#child.on('exit', (code, signal) => {
      for (const waiting of this.#waiting.values()) waiting.reject(new Error(`${file} ended (${signal ?? code})`))
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  ask<K extends keyof C & string>(command: K, args: C[K]['args']): Promise<C[K]['answer']> {
    const id = this.#next++
    const waiting = Promise.withResolvers<unknown>()
    this.#waiting.set(id, waiting)
    this.#child.send({ id, command, args })
    return waiting.promise
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.disconnect()
    await ended
  }
}
