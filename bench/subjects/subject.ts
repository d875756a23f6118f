import type { Target } from '../load/load-commands.ts'

/** A started server process. */
export interface Server extends Target {
  readonly pid: number
  /** Of the other processes of the node. */
  readonly otherPids?: readonly number[] | undefined
  /** From being started to answering requests, in milliseconds. */
  readonly readyMs: number
  stop(): Promise<void>
}

/** What is measured: ours or the reference, always in a process of its own. */
export interface Subject {
  readonly name: 'ours' | 'reference'
  /** Starts a node in a folder, which keeps what it knows; a new one is filled with so many notes first. */
  start(folder: string, options?: { readonly seed?: number }): Promise<Server>
}
