/** The process that is fuzzed: one node with its own server, watched from inside. Started by `target.ts`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { ProducerNode, silentLogger } from '@koi-mcp/core'
import type { LogFields } from '@koi-mcp/core'

export interface Health {
  /** Bytes, after a collection. */
  readonly heap: number
  readonly rss: number
  /** The highest heap that was seen since the last time. */
  readonly peakHeap: number
  /** The longest that the event loop was held up since the last time, in ms. */
  readonly longestBlock: number
  readonly inbox: { readonly pending: number; readonly deadLetters: number }
  /** What should not have happened: errors that nobody caught, and lines of the log at level error. */
  readonly errors: readonly string[]
}

export type FromTarget =
  | { readonly ready: { readonly url: string; readonly rid: string; readonly canaries: readonly string[] } }
  | { readonly health: Health }

const errors: string[] = []
const note = (text: string) => void (errors.length < 20 && errors.push(text))
process.on('unhandledRejection', (error) => note(`unhandled rejection: ${String((error as Error)?.stack ?? error)}`))
process.on('uncaughtException', (error) => note(`uncaught exception: ${error.stack}`))
const error = (message: string, fields?: LogFields) => {
  // Expected: of an event without a manifest, whose sender cannot be asked for one.
  if (message.startsWith('put among the dead letters: could not fetch from')) return
  note(`${message} ${String((fields?.error as Error)?.stack ?? JSON.stringify(fields))}`)
}

const folder = await mkdtemp(join(tmpdir(), 'koi-fuzz-'))
const authority = process.argv[2] === 'open' ? 'open' : 'origin'
const node = new ProducerNode({
  name: 'target',
  baseUrl: 'http://127.0.0.1:0/koi-net',
  state: folder,
  security: { authority },
  // What a stranger sends is refused below the level of errors; those are ours.
  log: { ...silentLogger, error },
})
await node.start()
const canaries = Array.from({ length: 20 }, (_, index) => `orn:fuzz.canary:${index}`)
for (const rid of canaries)
  await node.publish({ rid, contents: { rid, sings: true, of: ['1.0', null, { text: 'ü' }] } })
await node.idle()

let delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
let peakHeap = 0
setInterval(() => (peakHeap = Math.max(peakHeap, process.memoryUsage().heapUsed)), 20)

async function health(): Promise<Health> {
  const longestBlock = delay.max / 1e6
  delay.disable()
  const { pending, deadLetters } = await node.store.inboxState()
  const peak = peakHeap
  globalThis.gc?.()
  peakHeap = 0
  delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const { heapUsed, rss } = process.memoryUsage()
  return {
    heap: heapUsed,
    rss,
    peakHeap: peak,
    longestBlock,
    inbox: { pending, deadLetters },
    errors: errors.splice(0),
  }
}

const tell = (message: FromTarget) => process.send?.(message)
process.on('message', (order: 'health' | 'idle' | 'stop') => {
  void (async () => {
    if (order === 'idle') await node.idle()
    if (order !== 'stop') return tell({ health: await health() })
    await node.stop()
    await rm(folder, { recursive: true, force: true })
    process.exit(0)
  })()
})
process.on('disconnect', () => process.exit(1))
tell({ ready: { url: node.baseUrl!, rid: node.identity.rid, canaries } })
