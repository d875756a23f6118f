import type { KeyObject } from 'node:crypto'
import { rm } from 'node:fs/promises'
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

/** The node was used before it was started, or after it was stopped; or its store belongs to another node. */
export class NodeStateError extends Error {
  readonly code = 'NODE_STATE'
}

export const keyFile = (state: string): string => join(state, 'private.pem')
export const storeFile = (state: string): string => join(state, 'knowledge.db')

interface StateContext extends Pick<IdentityOptions, 'baseUrl' | 'provides'> {
  readonly clock: Clock
  readonly steady?: Clock
  readonly log: Logger
}

/**
 * Who the node is and what it holds: its key from a file, and its store from the state folder, or the one that its replicas share; without a folder,
 * both made anew in memory. The caller closes the store. A key that is there is opened before the store is touched, and one is made only for a
 * store that has no owner. `copyStore` is only for a store in a file.
 */
export async function openState(
  options: NodeOptions,
  context: StateContext,
): Promise<{ identity: NodeIdentity; store: NodeStore; copyStore: CopyStore | undefined }> {
  const { name, keyPassword: password, faults } = options
  const path = keyFileOf(options)
  const found = path === undefined ? generateKeyPair().privateKey : await loadKey(path, password, context.log)
  const { store, copyStore } = await openStore(options, context)
  try {
    const { key, isNew } = found === undefined ? await firstKey(store, path ?? '', options, context) : { key: found }
    const identity = makeIdentity({ name, ...context, privateKey: key })
    try {
      await claimStore(store, identity.rid, options)
    } catch (error) {
      if (isNew === true && error instanceof NodeStateError) await rm(path ?? '', { force: true })
      throw error
    }
    return { identity, copyStore, store: faults === undefined ? store : storeWithFaults(store, faults) }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Where the key is; `undefined` for a node that lives in memory. */
export function keyFileOf({ privateKeyFile, state, openStore }: NodeOptions): string | undefined {
  const path = privateKeyFile ?? (state === undefined ? undefined : keyFile(state))
  if (path === undefined && openStore !== undefined) {
    throw new NodeStateError(
      'a node on a store that its replicas share needs a key that they share: give privateKeyFile',
    )
  }
  return path
}

async function openStore(
  { state, openStore, durability = 'full' }: NodeOptions,
  { clock, steady, log }: StateContext,
): Promise<{ store: NodeStore; copyStore: CopyStore | undefined }> {
  if (openStore !== undefined) return { store: await openStore({ durability, log }), copyStore: undefined }
  const path = state === undefined ? ':memory:' : storeFile(state)
  const store = await openSqliteStore({ path, durability, clock, steady, log })
  return { store, copyStore: (target, signal) => store.copyTo(target, signal) }
}

/** For a store without an owner. Of replicas that start at once in one folder, one makes the key, and the others take that. */
async function firstKey(
  store: NodeStore,
  path: string,
  { keyPassword, openStore }: NodeOptions,
  { log }: StateContext,
): Promise<{ key: KeyObject; isNew: boolean }> {
  const owner = await store.getValue(OWNER_KEY)
  const made = owner === undefined ? await createKey(path, keyPassword) : undefined
  const key = made ?? (await loadKey(path, keyPassword, log))
  if (key !== undefined) return { key, isNew: made !== undefined }
  throw new KeyFileError(
    openStore === undefined
      ? `the private key ${path} is missing, and the store beside it belongs to ${owner}: put the key back from a backup (koi-mcp restore), or give this node a folder of its own`
      : `the private key ${path} is missing, and the store belongs to ${owner}: give this process the key of that node (node.private_key_file), or a namespace of its own (persistence.namespace)`,
  )
}

export const OWNER_KEY = 'node/rid'

/** A store is one node's: under another key or name, what it holds as its own would be nobody's. */
async function claimStore(store: NodeStore, rid: Rid, { openStore }: NodeOptions): Promise<void> {
  const owner = await store.claimValue(OWNER_KEY, rid)
  if (owner === rid) return
  throw new NodeStateError(
    openStore === undefined
      ? `the state folder belongs to the node ${owner}, but name and key make ${rid}: set node.name back, or give this node a folder of its own. (If koi-mcp rotate-key was interrupted, run it again.)`
      : `the store belongs to the node ${owner}, but name and key make ${rid}: give all processes of that node its name and its key (node.name, node.private_key_file), and another node a namespace of its own (persistence.namespace)`,
  )
}
