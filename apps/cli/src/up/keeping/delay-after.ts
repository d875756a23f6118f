const FIRST_MS = 250
const MOST_MS = 15_000
/** One that ran so long was well: what ended it now has nothing to do with how it started. */
const LASTED_MS = 30_000

/** How long to wait before a process is started again that ran for `ranMs`, where the wait before was `lastMs`: longer each time that it does not last. */
export const delayAfter = (ranMs: number, lastMs: number): number =>
  ranMs >= LASTED_MS || lastMs === 0 ? FIRST_MS : Math.min(lastMs * 2, MOST_MS)
