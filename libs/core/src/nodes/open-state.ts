import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { generateKeyPair } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import { storeWithFaults } from '../fault-points.ts'
import { createKey, KeyFileError, loadKey } from '../identity/key-file.ts'
import { makeIdentity } from '../identity/make-identity.ts'
import type { IdentityOptions } from '../identity/make-identity.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { Logger } from '../logger.ts'
import type { NodeStore } from '../store/node-store.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import type { CopyStore } from '../store/sqlite-store.ts'
import type { NodeOptions } from './node-options.ts'

/** The node was used before it was started, or after it was stopped; or its state folder belongs to another node. */
export class NodeStateError extends Error {
  readonly code = 'NODE_STATE'
}

export const keyFile = (state: string): string => join(state, 'private.pem')
export const storeFile = (state: string): string => join(state, 'knowledge.db')

/**
 * Who the node is and what it holds, from its state folder or, without one, made anew in memory. The caller closes the store. A key that is
 * there is opened before the store is touched, and one is made only for a store that has no owner.
 */
export async function openState(
  { name, state, keyPassword, durability = 'full', faults }: NodeOptions,
  {
    baseUrl,
    provides,
    clock,
    steady,
    log,
  }: Pick<IdentityOptions, 'baseUrl' | 'provides'> & { clock: Clock; steady?: Clock; log: Logger },
): Promise<{ identity: NodeIdentity; store: NodeStore; copyStore: CopyStore }> {
  const found = state === undefined ? generateKeyPair().privateKey : await loadKey(keyFile(state), keyPassword, log)
  const path = state === undefined ? ':memory:' : storeFile(state)
  const store = await openSqliteStore({ path, durability, clock, steady, log })
  try {
    const privateKey = found ?? (await firstKey(store, state ?? '', keyPassword))
    const identity = makeIdentity({ name, baseUrl, privateKey, provides })
    await claimStore(store, identity.rid)
    const copyStore: CopyStore = (target, signal) => store.copyTo(target, signal)
    return { identity, copyStore, store: faults === undefined ? store : storeWithFaults(store, faults) }
  } catch (error) {
    await store.close()
    throw error
  }
}

async function firstKey(store: NodeStore, state: string, password: string | undefined): Promise<KeyObject> {
  const owner = await store.getValue(OWNER_KEY)
  if (owner === undefined) return createKey(keyFile(state), password)
  throw new KeyFileError(
    `the private key ${keyFile(state)} is missing, and the store beside it belongs to ${owner}: put the key back from a backup (koi-mcp restore), or give this node a folder of its own`,
  )
}

export const OWNER_KEY = 'node/rid'

/** A store is one node's: under another key or name, what it holds as its own would be nobody's. */
async function claimStore(store: NodeStore, rid: Rid): Promise<void> {
  const owner = await store.getValue(OWNER_KEY)
  if (owner === undefined) await store.setValue(OWNER_KEY, rid)
  else if (owner !== rid) {
    throw new NodeStateError(
      `the state folder belongs to the node ${owner}, but name and key make ${rid}: set node.name back, or give this node a folder of its own. (If koi-mcp rotate-key was interrupted, run it again.)`,
    )
  }
}
