import { afterEach, beforeEach, describe } from 'vitest'
import type { Clock, NodeStore } from '@koi-mcp/core'
import { describeCache } from './node-store/cache-suite.ts'
import { describeDeadLetters } from './node-store/dead-letter-suite.ts'
import { describeDurability } from './node-store/durability-suite.ts'
import { describeExpiry } from './node-store/expiry-suite.ts'
import { describeInbox } from './node-store/inbox-suite.ts'
import { describeLanes } from './node-store/lane-suite.ts'
import { describeLapse } from './node-store/lapse-suite.ts'
import { describeLeases } from './node-store/lease-suite.ts'
import { describeOutbox } from './node-store/outbox-suite.ts'
import { describeSearch } from './node-store/search-suite.ts'
import { StoreUnderTest } from './node-store/store-under-test.ts'
import { describeValues } from './node-store/values-suite.ts'

/** What the suite needs of an implementation. */
export interface NodeStoreSubject {
  /** An empty store of its own for each call, which asks this clock for the time. */
  open(clock: Clock): Promise<NodeStore>
  /** Opens the state that was opened last, and closed since. Absent: the store keeps nothing beyond `close`. */
  reopen?(clock: Clock): Promise<NodeStore>
}

/** The compliance suite of the `NodeStore` port: every implementation passes all of it. */
export function describeNodeStore(name: string, subject: NodeStoreSubject): void {
  describe(`NodeStore: ${name}`, () => {
    const test = new StoreUnderTest()
    beforeEach(() => test.begin(subject))
    afterEach(() => test.end())
    describeInbox(test)
    describeLanes(test)
    describeDeadLetters(test)
    describeLeases(test)
    describeCache(test)
    describeExpiry(test)
    describeSearch(test)
    describeOutbox(test)
    describeLapse(test)
    describeValues(test)
    if (subject.reopen !== undefined) describeDurability(test)
  })
}
