/** The node's only source of wall-clock time, so that tests can move it. Milliseconds since the Unix epoch. */
export type Clock = () => number

export const systemClock: Clock = () => Date.now()
