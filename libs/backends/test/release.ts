import type { NewArrival } from '@koi-mcp/core'
import { asRid } from '@koi-mcp/protocol'
import type { Bundle } from '@koi-mcp/protocol'

/** Who is told of every change. */
export const PEER = asRid(`orn:koi-net.node:peer+${'a'.repeat(64)}`)
export const LEASE_MS = 20_000

/** What a process of some release does with the store. */
export interface Release {
  accept(arrival: NewArrival & Bundle): Promise<void>
  /** Takes a lane and changes the cache as its first arrival says; the peer is to be told. */
  work(way: 'at once' | 'in steps'): Promise<void>
  /** What the peer was told. */
  deliver(): Promise<readonly string[]>
  close(): Promise<void>
}

export interface ReleaseOptions {
  readonly url: string
  readonly schema: string
  readonly name: string
}
