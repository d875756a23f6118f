import type { NamedLease, NodeStore } from './node-store.ts'

const LEASE_MS = 60_000
const RENEW_EVERY_MS = 20_000

/**
 * Does the work while this owner holds the lease, and gives it back. Nothing is done where another process of the node holds it. One that is lost
 * meanwhile is found out by whoever writes under it.
 * @throws what the work and the store throw
 */
export async function underLease(
  store: Pick<NodeStore, 'takeLease' | 'releaseLease'>,
  { name, owner }: Pick<NamedLease, 'name' | 'owner'>,
  work: (lease: NamedLease) => Promise<void>,
): Promise<void> {
  const lease = await store.takeLease(name, owner, LEASE_MS)
  if (lease === undefined) return
  const renewal = setInterval(() => {
    void store.takeLease(name, owner, LEASE_MS).catch(() => undefined)
  }, RENEW_EVERY_MS)
  try {
    await work(lease)
  } finally {
    clearInterval(renewal)
    await store.releaseLease(lease)
  }
}
