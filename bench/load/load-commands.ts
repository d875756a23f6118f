import type { Rid } from '@koi-mcp/protocol'

/** Where the server under load is. */
export interface Target {
  readonly url: string
  readonly rid: Rid
  /** Of the other processes of the node, which the connections are divided among. */
  readonly others?: readonly string[] | undefined
}

export interface Numbers {
  /** Of the first event; each run sends what nobody has seen. */
  readonly first: number
  readonly events: number
  readonly batch: number
}

/** What the load process does; it answers one command after the other. */
export interface LoadCommands {
  /** Makes itself known and waits until the server answers it. */
  introduce: { args: { target: Target }; answer: null }
  /** Signs the envelopes of a run. */
  prepareEvents: { args: { target: Target; numbers: Numbers }; answer: { bytes: number } }
  /**
   * Sends them. `acceptedMs`: from the first byte to the last 200. `appliedMs`: until the last 100 of them are served by
   * `/bundles/fetch`.
   */
  sendEvents: { args: { connections: number }; answer: { acceptedMs: number; appliedMs: number } }
  /** Signs requests, which a run sends in turn, over and over. */
  prepareFetch: { args: { target: Target; path: string; payloads: readonly string[] }; answer: { answer: string } }
  sendFetch: {
    args: { ms: number; connections: number }
    answer: { requests: number; ms: number }
  }
}

export type LoadCommand = keyof LoadCommands
