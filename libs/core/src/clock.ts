/** The node's only source of wall-clock time, so that tests can move it. Milliseconds since the Unix epoch. */
export type Clock = () => number

export const systemClock: Clock = () => Date.now()

/**
 * For appointments: begins where the clock stands and goes on with the machine's monotonic one, which nobody sets. What waits until then
 * waits for as long as was meant, whatever is done to the clock meanwhile.
 */
export function steadyClock(clock: Clock): Clock {
  const offset = clock() - performance.now()
  return () => Math.trunc(offset + performance.now())
}
