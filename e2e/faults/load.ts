import { setTimeout as wait } from 'node:timers/promises'
import type { Network } from '../koi-mcp.ts'

const TYPE = 'orn:data-catalog.dataset'
const CLIENTS = 4
const NAMES = 8
const PAUSE_MS = 20
const REQUEST_MS = 60_000

interface Answer {
  readonly status: number | 'no answer'
  readonly text: string
}

/** What a client was told of its requests. */
export interface Figures {
  readonly acknowledged: number
  /** Requests sent again after an error, a 5xx or no answer. */
  readonly again: number
  /** What was answered in place of a 200, by status and text. */
  readonly refused: Readonly<Record<string, number>>
}

/**
 * Clients that publish, update and forget datasets of their own, one request after the other, each until it is acknowledged: what the network must hold
 * in the end follows from the answers alone.
 */
export class Load {
  readonly #url: string
  readonly #clients: Promise<void>[]
  /** By RID, the location that was published last. */
  readonly #held = new Map<string, string>()
  readonly #refused: Record<string, number> = {}
  #acknowledged = 0
  #again = 0
  #isOver = false

  /** @param url of the producer, whichever process answers there */
  constructor(url: string) {
    this.#url = url
    this.#clients = Array.from({ length: CLIENTS }, (_, client) => this.#run(client))
  }

  get figures(): Figures {
    return { acknowledged: this.#acknowledged, again: this.#again, refused: this.#refused }
  }

  /** Resolves with what must be held, once every client has its last answer. */
  async end(): Promise<ReadonlyMap<string, string>> {
    this.#isOver = true
    await Promise.all(this.#clients)
    return this.#held
  }

  async #run(client: number): Promise<void> {
    for (let turn = 0; !this.#isOver; turn += 1) {
      const name = `client_${client}_${Math.floor(Math.random() * NAMES)}`
      const rid = `${TYPE}:published/${name}`
      if (this.#held.has(rid) && Math.random() < 1 / 4) {
        await this.#untilAcknowledged('/forget', { rid }, `${client}-${turn}`)
        this.#held.delete(rid)
      } else {
        const location = `file:///${name}/${turn}`
        const object = { name, format: 'csv', location }
        await this.#untilAcknowledged('/publish', { schema: 'DatasetMetadata', object }, `${client}-${turn}`)
        this.#held.set(rid, location)
      }
      await wait(PAUSE_MS)
    }
  }

  async #untilAcknowledged(path: string, body: object, key: string): Promise<void> {
    for (;;) {
      const { status, text } = await this.#post(path, body, key)
      if (status === 200) break
      this.#again += 1
      const why = `${status} ${text}`.slice(0, 120)
      this.#refused[why] = (this.#refused[why] ?? 0) + 1
      if (status === 400 || status === 409) throw new Error(`${path} answered ${status}: ${text}`)
      await wait(100)
    }
    this.#acknowledged += 1
  }

  async #post(path: string, body: object, key: string): Promise<Answer> {
    try {
      const response = await fetch(`${this.#url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(REQUEST_MS),
      })
      return { status: response.status, text: await response.text() }
    } catch (error) {
      return { status: 'no answer', text: String(error) }
    }
  }
}

/** How a service's knowledge differs from what it must be; empty: it does not. */
export async function differences(
  network: Network,
  role: 'coordinator' | 'producer' | 'consumer',
  held: ReadonlyMap<string, string>,
): Promise<readonly string[]> {
  const { url } = network.service(role)
  const rids = (await network.rids(TYPE, role)).filter((rid) => rid.startsWith(`${TYPE}:published/`))
  const unknown = [...held.keys()].filter((rid) => !rids.includes(rid)).map((rid) => `${role} lacks ${rid}`)
  const known = await Promise.all(
    rids.map(async (rid) => {
      const response = await fetch(`${url}/api/bundle?rid=${encodeURIComponent(rid)}`)
      const text = await response.text()
      if (!held.has(rid)) return [`${role} holds ${rid}, which was forgotten`]
      return text.includes(`"${held.get(rid)}"`) ? [] : [`${role} holds another ${rid}: ${text}`]
    }),
  )
  return [...unknown, ...known.flat()]
}

interface Status {
  readonly degraded: readonly string[]
  readonly queues: { readonly inbox: { readonly pending: number; readonly dead_letters: number } }
}

export async function statusOf(network: Network, role: 'coordinator' | 'producer' | 'consumer'): Promise<Status> {
  const response = await fetch(`${network.service(role).url}/api/status`)
  if (!response.ok) throw new Error(`the ${role} answered ${response.status}`)
  return (await response.json()) as Status
}
