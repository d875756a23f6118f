import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { FuzzPeer } from './peer.ts'
import { Target } from './target.ts'
import type { Health } from './target-process.ts'

export interface AttackResult {
  readonly what: string
  readonly statuses: Readonly<Record<string, number>>
  /** Of another node's small requests meanwhile, in ms. */
  readonly requests: number
  readonly median: number
  readonly p99: number
  readonly slowest: number
  /** The longest that the event loop was held up, in ms. */
  readonly longestBlock: number
  /** MiB */
  readonly peakHeap: number
  readonly rss: number
}

const JSON_TYPE = { 'content-type': 'application/json' }
const MIB = 2 ** 20
const ATTACK_MS = 4_000
const rounded = (ms: number) => Math.round(ms * 10) / 10

/** Sends the worst that goes within the limits, while another node at another address asks for something small, over and over. */
export async function attack(say: (text: string) => void, only: string): Promise<readonly AttackResult[]> {
  const target = await Target.start('open')
  const file = fileURLToPath(new URL('./attacker-process.ts', import.meta.url))
  const attacker = fork(file, [target.url, target.rid], { execArgv: ['--conditions=@koi-mcp/source'] })
  const told = async () => ((await once(attacker, 'message')) as [unknown])[0]
  try {
    const names = (await told()) as readonly string[]
    const honest = new FuzzPeer('honest')
    const send = (path: string, payload: object) =>
      target.call(path, JSON_TYPE, Buffer.from(honest.sign(JSON.stringify(payload), target.rid)))
    await send('/events/broadcast', honest.handshake)
    await target.health(true)
    const question = { type: 'fetch_bundles', rids: target.canaries.slice(0, 1) }
    const results: AttackResult[] = []
    for (const what of names.filter((name) => name.includes(only))) {
      say(`${what}…`)
      attacker.send(what)
      await told()
      await target.health(true)
      const times: number[] = []
      for (const since = performance.now(); performance.now() - since < ATTACK_MS;) {
        const { status, ms } = await send('/bundles/fetch', question)
        if (status !== 200) throw new Error(`the other node is answered ${status} during: ${what}`)
        times.push(ms)
        await wait(10)
      }
      const health = await target.health()
      const ended = told()
      attacker.send('stop')
      results.push(resultOf(what, times, (await ended) as Record<string, number>, health))
    }
    return results
  } finally {
    attacker.kill()
    await target.stop()
  }
}

function resultOf(what: string, times: number[], statuses: Record<string, number>, health: Health): AttackResult {
  times.sort((a, b) => a - b)
  const at = (share: number) => rounded(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0)
  return {
    what,
    statuses,
    requests: times.length,
    median: at(0.5),
    p99: at(0.99),
    slowest: at(1),
    longestBlock: Math.round(health.longestBlock),
    peakHeap: Math.round(health.peakHeap / MIB),
    rss: Math.round(health.rss / MIB),
  }
}

export function attackTable(results: readonly AttackResult[]): string {
  const rows = results.map(({ what, statuses, median, p99, slowest, longestBlock, peakHeap, rss }) => {
    const answers = Object.entries(statuses)
      .map(([status, times]) => `${status}: ${times}`)
      .join(', ')
    return `| ${what} | ${answers} | ${median} | ${p99} | ${slowest} | ${longestBlock} | ${peakHeap} | ${rss} |`
  })
  return [
    '| meanwhile | it is answered | median ms | 99 % ms | slowest ms | loop held up ms | heap MiB | process MiB |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n')
}
