/** A node as the scenarios see it, whoever made it. */
import type { EdgeType, PayloadType, Rid } from '@koi-mcp/protocol'

export interface Edge {
  readonly status: string
  readonly edge_type: string
  readonly rid_types: readonly string[]
  /** When the bundle was made: another one after another proposal. */
  readonly timestamp: string
}

/** How a node ends: told to, or by `kill -9`. */
export type Ending = 'stopped' | 'killed'

export interface Target {
  readonly rid: Rid
  /** Base URL; '' for a partial node. */
  readonly url: string
}

/** How much a node has done so far, and how much waits to be done, sent, or taken. */
export interface Activity {
  readonly done: number
  readonly waiting: number
}

export interface Side extends Target {
  readonly maker: 'ours' | 'theirs'
  readonly isPartial: boolean
  publish(rid: Rid, contents: object): Promise<void>
  forget(rid: Rid): Promise<void>
  /** Contents in its cache, as they parse; undefined when it has none. */
  contents(rid: Rid): Promise<unknown>
  list(): Promise<readonly Rid[]>
  /** From one node to another, as cached here. */
  edge(source: Rid, target: Rid): Promise<Edge | undefined>
  /** Proposes the edge from a node to this one, whatever it provides. */
  propose(provider: Rid, types: readonly string[], type: EdgeType): Promise<void>
  /** Provides one more type, or one less the next time; who provides nothing moves to another address. */
  changeProfile(): Promise<void>
  /** FORGET of itself and NEW, in one envelope. */
  handshake(node: Target): Promise<void>
  /** FORGET of itself. */
  leave(node: Target): Promise<void>
  /** Signed by it, and its reply verified there. */
  ask(node: Target, type: PayloadType, request: object): Promise<Readonly<Record<string, unknown>>>
  /** A partial node stops polling by itself, or goes on. */
  polling(on: boolean): Promise<void>
  /** Resolves when nothing is left to be done now. */
  idle(): Promise<void>
  /** Of what is to be sent, only what is for one of these nodes counts. @throws when it does not run any more */
  activity(among: readonly Rid[]): Promise<Activity>
  /** Ends it and starts it again with the same key, state and address. */
  restart(ending: Ending): Promise<void>
  /** @throws when it does not run any more */
  check(): Promise<void>
  stop(): Promise<void>
}
