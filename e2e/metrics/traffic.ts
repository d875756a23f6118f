import { setTimeout as wait } from 'node:timers/promises'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { Monitored } from './monitored.ts'

const EVERY_MS = 250
const DATASET = { format: 'csv', location: 'file:///traffic' }

type Reached = Readonly<Record<'coordinator' | 'producer' | 'gateway' | 'faulty', Monitored>>

/** Something of everything, until it is stopped; what does not work while a service is away is let go. */
export class Traffic {
  readonly #services: Reached
  readonly #client = new Client({ name: 'traffic', version: '0.0.0' }, { versionNegotiation: { mode: 'auto' } })
  readonly #stopping = new AbortController()
  #isFlood = false
  #round = 0
  #running: Promise<unknown> = Promise.resolve()

  constructor(services: Reached) {
    this.#services = services
  }

  /** Resolves once there is something of everything. */
  async start(): Promise<void> {
    const { coordinator, gateway, producer } = this.#services
    await this.#client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`)))
    await coordinator.post('/koi-net/events/broadcast', '{"no":"envelope"}')
    await producer.post('/publish', '{"schema":"DatasetMetadata","object":{}}')
    await this.#publish()
    this.#running = Promise.all([this.#repeat(() => this.#publish()), this.#repeat(() => this.#ask())])
  }

  /** From here on the faulty service is given more and more. */
  flood(): void {
    this.#isFlood = true
  }

  ebb(): void {
    this.#isFlood = false
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
    await this.#client.close()
  }

  async #repeat(work: () => Promise<unknown>): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      await work().catch(() => undefined)
      await wait(EVERY_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  async #publish(): Promise<void> {
    const { producer, faulty } = this.#services
    const round = this.#round++
    const name = `traffic-${round % 20}`
    const dataset = { ...DATASET, name, description: `in round ${round}` }
    const ends = this.#isFlood
      ? Array.from({ length: 20 }, (_, index) => `flood-${index}`)
      : ['plain', 'busy', 'rejected']
    await Promise.allSettled([
      producer.post('/publish', JSON.stringify({ schema: 'DatasetMetadata', object: dataset })),
      ...ends.map((end) => faulty.post('/publish', `{"rid":"orn:notes.note:${round}-${end}","contents":{}}`)),
    ])
    if (round % 10 === 9)
      await producer.post('/forget', JSON.stringify({ rid: `orn:data-catalog.dataset:published/${name}` }))
  }

  async #ask(): Promise<void> {
    await Promise.allSettled([
      this.#client.listResources(),
      this.#client.callTool({ name: 'list_datasets', arguments: {} }),
      this.#client.callTool({ name: 'search_knowledge', arguments: { query: 'traffic' } }),
      this.#client.readResource({ uri: 'orn:data-catalog.dataset:published/traffic-0' }),
    ])
  }
}
