import { rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AuthorityMode, NodeStore } from '@koi-mcp/core'
import { checkHistory } from './histories/check-history.ts'
import { bundleProgram } from './histories/on-servers/bundle-program.ts'
import { HistoryOnServers } from './histories/on-servers/history-on-servers.ts'
import { WorkerProcess } from './histories/on-servers/worker-process.ts'
import { plans } from './histories/plan.ts'
import type { Plan } from './histories/plan.ts'
import { servedBy } from './histories/served.ts'

export interface HistoriesOnServersOptions {
  /** Store of a node of that name, empty. */
  open(namespace: string): Promise<NodeStore>
  /** The name of an empty store. Histories of one number are played one after the other, so it may be the last one's, made empty. */
  namespace(stage: number): Promise<string>
  /** The program of the worker processes, which calls `serveHistories`, and its arguments. */
  readonly program: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly runs: number
  readonly seed?: number | undefined
}

const WORKERS = 3
/** Histories played side by side, each with worker processes of its own: they wait most of the time. */
const STAGES = 6

/**
 * As `describeHistories`, with real worker processes over a real server: they are delayed, killed with `kill -9`, and stand still for longer than their
 * leases, at the moments that the plan names. A failing history is printed with its plan; played again, it goes another way.
 */
export function describeHistoriesOnServers(name: string, options: HistoriesOnServersOptions): void {
  const { runs, seed = Math.floor(Math.random() * 2 ** 31) } = options
  describe(`histories of several processes: ${name}`, () => {
    it('end where one process would that took the arrivals in order', async () => {
      const half = Math.ceil(runs / 2)
      const drawn = (authority: AuthorityMode) => fc.sample(plans(authority), { seed, numRuns: half })
      const all = [...drawn('open'), ...drawn('origin')].slice(0, runs)
      const total = { kills: 0, hazards: 0 }
      const { file: program, folder } = await bundleProgram(options.program)
      const env = { NODE_COMPILE_CACHE: join(folder, 'compiled'), ...options.env }
      const play = (stage: number) =>
        playAll(all, { ...options, program, env, stage, journal: join(folder, `journal-${stage}`) }, total)
      const playing = Array.from({ length: STAGES }, (_, stage) => play(stage))
      try {
        await Promise.all(playing)
      } finally {
        await Promise.allSettled(playing)
        rmSync(folder, { recursive: true, force: true })
      }
      expect(all).toEqual([])
      process.stdout.write(
        `${runs} histories of ${WORKERS} processes on ${name}, seed ${seed}: ${total.hazards} faults, ${total.kills} of them kill -9\n`,
      )
    }, 1_800_000)
  })
}

interface Stage extends HistoriesOnServersOptions {
  readonly stage: number
  readonly journal: string
}

/** Takes one plan after the other from the list. */
async function playAll(
  plansLeft: Plan[],
  { stage, journal, program, args, env, ...options }: Stage,
  total: { kills: number; hazards: number },
): Promise<void> {
  const spawn = () => new WorkerProcess(program, args, env)
  const workers = Array.from({ length: WORKERS }, spawn)
  try {
    for (let plan = plansLeft.shift(); plan !== undefined; plan = plansLeft.shift()) {
      for (const [seat, worker] of workers.entries()) if (!worker.isAlive) workers[seat] = spawn()
      const namespace = await options.namespace(stage)
      const store = await options.open(namespace)
      try {
        const parts = { store, namespace, journal, workers, spawn }
        const played = await new HistoryOnServers(plan, parts).play()
        total.kills += played.kills
        total.hazards += played.hazards.length
        const surroundings = { authority: plan.authority, client: servedBy(plan.served) }
        await checkHistory(played, surroundings, played.kills === 0)
      } catch (error) {
        plansLeft.length = 0
        if (error instanceof Error) error.message += `\n\n${JSON.stringify(plan)}`
        throw error
      } finally {
        await store.close()
      }
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.kill()))
  }
}
