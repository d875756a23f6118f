import { join } from 'node:path'
import type { FloorCommands } from './floor/floor-process.ts'
import type { LoadCommands, Target } from './load/load-commands.ts'
import { CommandProcess } from './process/command-process.ts'
import type { RowResult, Values } from './result.ts'
import { ours } from './subjects/our-service.ts'
import { findReference, reference } from './subjects/reference-node.ts'
import type { Server, Subject } from './subjects/subject.ts'

/** How much is measured. */
export interface Effort {
  /** Ours, the reference and the floor take turns; so often. */
  readonly rounds: number
  /** Events of one run: ours and the floor's; the reference's. */
  readonly events: { readonly ours: number; readonly reference: number }
  /** How long one run of fetches takes, in milliseconds. */
  readonly fetchMs: number
  /** Changes told one after the other in `publish`. */
  readonly changes: { readonly ours: number; readonly reference: number }
  /** Divides the numbers of bundles that nodes are filled with. */
  readonly smaller: number
}

export const EFFORTS = {
  full: {
    rounds: 5,
    events: { ours: 10_000, reference: 800 },
    fetchMs: 1_500,
    changes: { ours: 50, reference: 12 },
    smaller: 1,
  },
  quick: {
    rounds: 3,
    events: { ours: 4_000, reference: 400 },
    fetchMs: 700,
    changes: { ours: 20, reference: 4 },
    smaller: 10,
  },
  smoke: {
    rounds: 1,
    events: { ours: 100, reference: 40 },
    fetchMs: 50,
    changes: { ours: 2, reference: 1 },
    smaller: 5000,
  },
} as const satisfies Record<string, Effort>

/** What every row works with. */
export interface Bench {
  readonly effort: Effort
  readonly ours: Subject
  /** Why it is left out, where there is none. */
  readonly reference: Subject | { readonly why: string }
  readonly python: string | undefined
  readonly floor: CommandProcess<FloorCommands>
  /** A folder of its own for each use. */
  folder(name: string): string
  say(text: string): void
}

export type Row = (bench: Bench) => Promise<readonly RowResult[]>

const file = (path: string): string => join(import.meta.dirname, path)

export function makeBench({
  effort,
  folder,
  profile,
  say,
}: {
  effort: Effort
  folder: string
  profile: string | undefined
  say: (text: string) => void
}): Bench {
  const found = findReference()
  let folders = 0
  return {
    effort,
    ours: ours(profile),
    reference: 'python' in found ? reference(found.python) : { why: found.missing },
    python: 'python' in found ? found.python : undefined,
    floor: new CommandProcess<FloorCommands>(file('floor/floor-process.ts')),
    folder: (name) => join(folder, `${folders++}-${name}`),
    say,
  }
}

/** A started node and the load generator that it knows. */
export interface Loaded {
  readonly server: Server
  readonly load: CommandProcess<LoadCommands>
  /** The number that the next events begin with: nobody has seen them. */
  next: number
  stop(): Promise<void>
}

export async function underLoad(server: Server): Promise<Loaded> {
  const load = new CommandProcess<LoadCommands>(file('load/load-process.ts'))
  await load.ask('introduce', { target: targetOf(server) })
  return {
    server,
    load,
    next: 0,
    stop: async () => {
      await load.stop()
      await server.stop()
    },
  }
}

/** Plain data: a server is none, and commands travel between processes. */
export const targetOf = ({ url, rid, others }: Server): Target => ({ url, rid, others })

/** One round after the other, every side in each; a side that is left out says why. */
export async function inTurns<S extends string, T>(
  rounds: number,
  sides: Readonly<Record<S, ((round: number) => Promise<T>) | { readonly why: string }>>,
): Promise<Record<S, readonly T[] | { readonly why: string }>> {
  const taken = Object.fromEntries(
    Object.entries(sides).map(([name, side]) => [name, typeof side === 'function' ? [] : side]),
  ) as Record<S, T[] | { readonly why: string }>
  for (let round = 0; round < rounds; round++) {
    for (const [name, side] of Object.entries(sides) as [S, (typeof sides)[S]][]) {
      const values = taken[name]
      if (typeof side === 'function' && Array.isArray(values)) values.push(await side(round))
    }
  }
  return taken
}

/** A figure out of what each round gave. */
export function pick<T>(taken: readonly T[] | { readonly why: string }, of: (value: T) => number): Values {
  return 'why' in taken ? taken : taken.map(of)
}
