import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '@koi-mcp/core'

/** Tries again while the server is away. */
export async function eventually<T>(work: () => Promise<T>): Promise<T> {
  const until = performance.now() + 30_000
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof StoreError) || performance.now() > until) throw error
      await sleep(50)
    }
  }
}
