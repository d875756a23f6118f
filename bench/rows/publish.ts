import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { Bench, Row } from '../bench.ts'
import { inTurns, pick } from '../bench.ts'
import { startService } from '../subjects/our-service.ts'
import type { OurServer } from '../subjects/our-service.ts'
import { ReferenceNode } from '../subjects/reference-node.ts'

const NO_FLOOR = 'it is a path through four processes, not a loop'
const RID = 'orn:data-catalog.dataset:bench/told'

interface Told {
  /** Publishes the n-th change; answers the milliseconds until the one at the end was told. */
  tell(n: number): Promise<number>
  stop(): Promise<void>
}

/** From a change's publication to the one who waits for it. Ours: an MCP client behind the gateway; the reference, which has no MCP: another node. */
export const publishRow: Row = async (bench) => {
  const { changes } = bench.effort
  const theirs = bench.python === undefined ? undefined : await referencePath(bench, bench.python, 3)
  let mine: Told | undefined
  const missing = 'why' in bench.reference ? bench.reference : { why: 'there is no reference' }
  const perOurs = Math.ceil(changes.ours / changes.reference)
  let n = 0
  try {
    const { tell } = (mine = await ourPath(bench))
    const taken = await inTurns(changes.reference, {
      ours: () => median(perOurs, () => tell(n++)),
      reference: theirs === undefined ? missing : () => theirs.tell(n++),
    })
    const what = 'publish → MCP client told (reference: → handler of the next node)'
    const same = (value: number): number => value
    return [
      {
        row: 'publish',
        what,
        unit: 'ms',
        better: 'less',
        ours: pick(taken.ours, same),
        reference: pick(taken.reference, same),
        floor: { why: NO_FLOOR },
      },
    ]
  } finally {
    await mine?.stop()
    await theirs?.stop()
  }
}

async function median(times: number, measure: () => Promise<number>): Promise<number> {
  const taken: number[] = []
  for (let index = 0; index < times; index++) taken.push(await measure())
  return taken.toSorted((a, b) => a - b)[Math.floor(times / 2)] ?? Number.NaN
}

async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await look())) {
    if (performance.now() > deadline) throw new Error(`not within 20 s: ${what}`)
    await wait(50)
  }
}

/** `POST /publish` at the producer, by webhook to the gateway, to the official MCP client that listens there. */
async function ourPath(bench: Bench): Promise<Told> {
  const services: OurServer[] = []
  const stop = async (): Promise<void> => {
    for (const service of services.toReversed()) await service.stop()
  }
  try {
    const start = async (app: 'coordinator' | 'producer' | 'mcp-gateway'): Promise<OurServer> => {
      const service = await startService({ app, state: bench.folder(app), firstContact: services[0]?.url })
      services.push(service)
      return service
    }
    await start('coordinator')
    const producer = await start('producer')
    const gateway = await start('mcp-gateway')
    await until('the producer knows its subscriber', async () => {
      const status = (await (await fetch(`${producer.serviceUrl}/api/status`)).json()) as Status
      const peer = status.peers.find(({ rid }) => rid === gateway.rid)
      return peer?.edges.some((edge) => edge.direction === 'out' && edge.status === 'APPROVED') ?? false
    })
    const client = new Client({ name: 'bench', version: '0.0.0' }, { versionNegotiation: { mode: 'auto' } })
    const told = new EventTarget()
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
      if (params.uri === RID) told.dispatchEvent(new Event('told'))
    })
    await client.connect(new StreamableHTTPClientTransport(new URL(gateway.mcpUrl ?? '')))
    await publish(producer, 0)
    await until('the gateway serves it', async () => {
      const response = await fetch(`${gateway.serviceUrl}/api/bundle?rid=${encodeURIComponent(RID)}`)
      await response.arrayBuffer()
      return response.ok
    })
    await client.listen({ resourceSubscriptions: [RID] })
    return {
      tell: async (n) => {
        const heard = once(told, 'told', { signal: AbortSignal.timeout(30_000) })
        const start = performance.now()
        await publish(producer, n + 1)
        await heard
        return performance.now() - start
      },
      stop: async () => {
        await client.close()
        await stop()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

interface Status {
  readonly peers: readonly { rid: string; edges: readonly { direction: string; status: string }[] }[]
}

async function publish({ serviceUrl }: OurServer, n: number): Promise<void> {
  const response = await fetch(`${serviceUrl}/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ rid: RID, contents: { name: 'told', change: n } }),
  })
  if (!response.ok) throw new Error(`POST /publish was answered ${response.status}: ${await response.text()}`)
  await response.arrayBuffer()
}

/** In which the first one has joined before the second one comes: at the same time they seldom find each other on a slow machine. */
const JOINING_MS = 5_000

/**
 * A real node pushes a bundle into its queue; another one, subscribed by webhook, has its `Final` handler called. Now and then two nodes that join
 * at the same time never find each other there: then all is tried again with new ones.
 */
async function referencePath(bench: Bench, python: string, attempts: number): Promise<Told> {
  const nodes: ReferenceNode[] = []
  const stop = async (): Promise<void> => {
    for (const node of nodes.toReversed()) await node.stop()
  }
  try {
    const start = async (kind: 'coordinator' | 'full', name: string): Promise<ReferenceNode> => {
      const [first] = nodes
      const contact = first && { url: first.url, rid: first.rid }
      const node = await ReferenceNode.start(python, bench.folder(name), { kind, name, ...(contact && { contact }) })
      nodes.push(node)
      return node
    }
    await start('coordinator', 'coordinator')
    const provider = await start('full', 'provider')
    await new Promise((resolve) => setTimeout(resolve, JOINING_MS))
    const subscriber = await start('full', 'subscriber')
    await until('the reference provider knows its subscriber', async () =>
      ((await provider.ask({ do: 'subscribers' })) as string[]).includes(subscriber.rid),
    )
    return {
      tell: async (n) => {
        const order = { do: 'publish', rid: 'orn:bench.note:told', contents: { name: 'told', change: n } }
        const { hash, at } = (await provider.ask(order)) as { hash: string; at: number }
        let handledAt: number | null = null
        await until('the reference subscriber handles it', async () => {
          handledAt = (await subscriber.ask({ do: 'handled', hash })) as number | null
          return handledAt !== null
        })
        return (handledAt ?? Number.NaN) - at
      },
      stop,
    }
  } catch (error) {
    await stop()
    if (attempts <= 1) throw error
    bench.say(`trying the reference again: ${String(error)}`)
    return referencePath(bench, python, attempts - 1)
  }
}
