import { setTimeout as sleep } from 'node:timers/promises'

/** The answer; `undefined` where there is none, or it takes longer than so many milliseconds. */
export async function inTime<T>(answer: Promise<T>, ms: number): Promise<T | undefined> {
  const late = new AbortController()
  const nothing = sleep(ms, undefined, { signal: late.signal }).catch(() => undefined)
  try {
    return await Promise.race([answer, nothing])
  } catch {
    return undefined
  } finally {
    late.abort()
  }
}
