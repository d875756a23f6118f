import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { generateKeyPair } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import { storeWithFaults } from '../fault-points.ts'
import { loadOrCreateKey } from '../identity/key-file.ts'
import { makeIdentity } from '../identity/make-identity.ts'
import type { IdentityOptions } from '../identity/make-identity.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { Logger } from '../logger.ts'
import type { NodeStore } from '../store/node-store.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import type { NodeOptions } from './node-options.ts'

/** The node was used before it was started, or after it was stopped; or its state folder belongs to another node. */
export class NodeStateError extends Error {
  readonly code = 'NODE_STATE'
}

/** Who the node is and what it holds, from its state folder or, without one, made anew in memory. The caller closes the store. */
export async function openState(
  { name, state, keyPassword, durability = 'full', faults }: NodeOptions,
  { baseUrl, provides, clock, log }: Pick<IdentityOptions, 'baseUrl' | 'provides'> & { clock: Clock; log: Logger },
): Promise<{ identity: NodeIdentity; store: NodeStore }> {
  if (state !== undefined) await mkdir(state, { recursive: true, mode: 0o700 })
  const privateKey =
    state === undefined ? generateKeyPair().privateKey : await loadOrCreateKey(join(state, 'private.pem'), keyPassword)
  const identity = makeIdentity({ name, baseUrl, privateKey, provides })
  const path = state === undefined ? ':memory:' : join(state, 'knowledge.db')
  const store = await openSqliteStore({ path, durability, clock, log })
  try {
    await claimStore(store, identity.rid)
  } catch (error) {
    await store.close()
    throw error
  }
  return { identity, store: faults === undefined ? store : storeWithFaults(store, faults) }
}

const OWNER_KEY = 'node/rid'

/** A store is one node's: under another key or name, what it holds as its own would be nobody's. */
async function claimStore(store: NodeStore, rid: Rid): Promise<void> {
  const owner = await store.getValue(OWNER_KEY)
  if (owner === undefined) await store.setValue(OWNER_KEY, rid)
  else if (owner !== rid) {
    throw new NodeStateError(
      `the state folder belongs to the node ${owner}, but name and key make ${rid}: set node.name back, or give this node a folder of its own`,
    )
  }
}
