import type { RunningNetwork } from '../state-folder.ts'

/** What runs, as the first line of `--json` tells it. */
export type Running = Pick<RunningNetwork, 'services' | 'servers'>

/** A network as `koi-mcp up` runs it. Whoever starts it calls `stop`, whatever happened. */
export interface LocalNetwork {
  start(signal: AbortSignal): Promise<Running>
  /** Rejects when a process has ended that nobody starts again. */
  died(): Promise<never>
  stop(hurry: AbortSignal): Promise<void>
}
