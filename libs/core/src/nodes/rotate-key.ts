import type { KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, open, rename, rm } from 'node:fs/promises'
import {
  asRid,
  eventFromBundle,
  eventText,
  forgetEvent,
  isKeyOfNode,
  nodeNameOf,
  nodeRid,
  publicKeyOf,
  publicKeyToDerBase64,
  signEnvelope,
} from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { NetworkGraph } from '../graph/network-graph.ts'
import { createKey, KeyFileError, loadKey, syncFolder } from '../identity/key-file.ts'
import { silentLogger } from '../logger.ts'
import { farewellKey } from '../network/farewells.ts'
import { NETWORK_LANE } from '../store/node-store.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import type { FileStore } from '../store/sqlite-store.ts'
import { keyFile, NodeStateError, OWNER_KEY, storeFile } from './open-state.ts'

export interface RotatedKey {
  readonly from: Rid
  readonly to: Rid
  /** Nodes that are told by the next start. */
  readonly farewells: readonly Rid[]
  /** Where the old key is kept. */
  readonly oldKey: string
}

/**
 * Makes a node that does not run another one, with a new key and all that it holds. An RID of a node is made of its key, so that the old one has to
 * go: its goodbye to every neighbour, with what is still queued for them, is signed here with the old key, and sent by the next start before anything
 * else. Interrupted, it changed nothing, or is finished by calling it again.
 *
 * @throws NodeStateError, KeyFileError, StoreError (BUSY: it runs)
 */
export async function rotateKey(state: string, keyPassword: string | undefined): Promise<RotatedKey> {
  const path = keyFile(state)
  const key = await loadKey(path, keyPassword, silentLogger)
  if (key === undefined || !existsSync(storeFile(state))) {
    throw new KeyFileError(`${state} holds no node whose key could be changed: private.pem or knowledge.db is missing`)
  }
  const store = await openSqliteStore({ path: storeFile(state) })
  try {
    const owner = await store.getValue(OWNER_KEY)
    if (owner === undefined) throw new NodeStateError(`${state} belongs to no node yet: start it once`)
    const from = nodeRid(nodeNameOf(asRid(owner)), publicText(key))
    const oldKey = `${path.slice(0, -'.pem'.length)}-${from.slice(-64, -48)}.pem`
    // Behind an interruption the store is the new node's already.
    if (from !== owner && !(await isNext(state, keyPassword, asRid(owner)))) {
      throw new NodeStateError(`the store in ${state} belongs to ${owner}, and the key is that of ${from}`)
    }
    const to = from === owner ? await changeStore(store, { state, keyPassword, key, from, oldKey }) : asRid(owner)
    await rename(nextKey(state), path)
    await syncFolder(state)
    const farewells = [...(await store.listValues('farewell/')).keys()].map((text) =>
      text.slice('farewell/'.length, -7),
    )
    return { from, to, farewells: [...new Set(farewells)] as Rid[], oldKey }
  } finally {
    await store.close()
  }
}

interface Change {
  readonly state: string
  readonly keyPassword: string | undefined
  readonly key: KeyObject
  readonly from: Rid
  readonly oldKey: string
}

/** Everything up to the moment from which the store is the new node's. */
async function changeStore(store: FileStore, { state, keyPassword, key, from, oldKey }: Change): Promise<Rid> {
  if (await store.laneBusy(NETWORK_LANE)) {
    throw new NodeStateError(
      `the node in ${state} has not worked off what it was told of the network: start it, and stop it again`,
    )
  }
  const graph = new NetworkGraph(from)
  await graph.load(store)
  const contacts = [...(await store.listValues('first-contact/')).values()].map((rid) => asRid(rid))
  const neighbours = [...new Set([...graph.neighbors(), ...contacts])].filter(
    (node) => graph.profile(node)?.node_type === 'FULL' || contacts.includes(node),
  )
  const own = (await store.read(from))?.bundle
  // In front of each envelope: who heard from others that the node is gone would refuse the words of a stranger.
  const introduction = own === undefined ? [] : [eventText(eventFromBundle('NEW', own))]
  const signer = { from, key, introduction }
  const values = new Map<string, string>()
  for (const node of neighbours) {
    const next = await signQueued(store, node, signer)
    values.set(farewellKey(node, next), signed([eventText(forgetEvent(from))], node, signer))
  }
  // Left by an interruption: the store never was that node's.
  await rm(nextKey(state), { force: true })
  const newKey = await createKey(nextKey(state), keyPassword)
  if (newKey === undefined) throw new NodeStateError(`somebody else changes the key of the node in ${state} right now`)
  await copyDurably(keyFile(state), oldKey)
  const to = nodeRid(nodeNameOf(from), publicText(newKey))
  values.set(OWNER_KEY, to)
  await store.changeOwner([from, ...graph.edgesOf(from).map(({ rid }) => rid)], values)
  return to
}

/** What is queued for a node, in envelopes of the old key. One is kept before its rows go, so that a crash says it twice at most. */
async function signQueued(store: FileStore, target: Rid, signer: Signer): Promise<number> {
  let number = [...(await store.listValues(farewellKey(target, 0).slice(0, -6))).keys()].length
  const take = { owner: 'rotate-key', leaseMs: 600_000, limit: 100, maxBytes: 4 * 1024 * 1024, ignoreDue: true }
  for (;;) {
    const batch = await store.takeDeliveries(target, take)
    if (batch === undefined) return number
    if (batch.eventTexts.length > 0)
      await store.setValue(farewellKey(target, number++), signed(batch.eventTexts, target, signer))
    await store.deliveriesDone(batch)
  }
}

type Signer = Pick<Change, 'from' | 'key'> & { readonly introduction: readonly string[] }

function signed(eventTexts: readonly string[], target: Rid, { from, key, introduction }: Signer): string {
  const payloadText = `{"type":"events_payload","events":[${[...introduction, ...eventTexts].join(',')}]}`
  return signEnvelope({ payloadText, source: from, target }, key)
}

const nextKey = (state: string): string => `${keyFile(state)}.next`

async function isNext(state: string, keyPassword: string | undefined, owner: Rid): Promise<boolean> {
  const next = await loadKey(nextKey(state), keyPassword, silentLogger)
  return next !== undefined && isKeyOfNode(owner, publicText(next))
}

function publicText(key: KeyObject): string {
  return publicKeyToDerBase64(publicKeyOf(key))
}

async function copyDurably(from: string, to: string): Promise<void> {
  await copyFile(from, to)
  const file = await open(to, 'r+')
  try {
    await file.chmod(0o600)
    await file.sync()
  } finally {
    await file.close()
  }
}
