import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  contentsOf,
  defineRidType,
  eventFromBundle,
  eventText,
  formatTimestamp,
  generateBundle,
  generateKeyPair,
  nodeProfileContents,
  parseEnvelope,
  parsePayload,
  signEnvelope,
} from '@koi-mcp/protocol'
import type { Bundle, PayloadType, ReceivedPayloads, Rid } from '@koi-mcp/protocol'
import { makeIdentity } from '../src/identity/make-identity.ts'
import type { NodeIdentity } from '../src/identity/node-identity.ts'
import type { LogFields, Logger } from '../src/logger.ts'
import type { NodeStore } from '../src/store/node-store.ts'

export const DATASET = defineRidType('orn:test.dataset')

/** An HTTP server on a free port, answering as told. */
export interface TestServer {
  readonly origin: string
  readonly requests: { readonly method: string; readonly path: string; readonly body: Buffer }[]
  answer: (request: { method: string; path: string; body: Buffer }) => Answer | Promise<Answer>
  close(): Promise<void>
}

export interface Answer {
  readonly status: number
  readonly body: string | Uint8Array
  readonly headers?: Record<string, string>
  /** The answer is never finished. */
  readonly hangs?: boolean
  /** Follows behind `body`. */
  readonly more?: AsyncIterable<string | Uint8Array>
  readonly over?: (sent: boolean) => unknown
}

export async function testServer(
  answer: TestServer['answer'] = () => ({ status: 200, body: 'null' }),
): Promise<TestServer> {
  const requests: TestServer['requests'] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const got = { method: request.method ?? '', path: request.url ?? '', body: Buffer.concat(chunks) }
      requests.push(got)
      void (async () => {
        const { status, body, headers, hangs, more, over } = await self.answer(got)
        response.on('close', () => over?.(response.writableFinished))
        response.writeHead(status, headers)
        if (hangs || more !== undefined) response.write(body)
        else response.end(body)
        // It fails when the caller has enough.
        if (more !== undefined) pipeline(Readable.from(more), response).catch(() => undefined)
      })()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const self: TestServer = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return self
}

export function testIdentity(name: string, baseUrl?: string, provides: readonly string[] = []): NodeIdentity {
  const { privateKey } = generateKeyPair()
  return makeIdentity({ name, baseUrl, privateKey, provides: { event: provides, state: provides } })
}

/** A signed reply or request of one node to another. */
export function envelopeOf(from: NodeIdentity, to: Rid, payloadText: string): string {
  return signEnvelope({ payloadText, source: from.rid, target: to }, from.privateKey)
}

/** What somebody asked, as the peer reads it. */
export function requestOf<T extends PayloadType>(body: Uint8Array, type: T): ReceivedPayloads[T] {
  return parsePayload(parseEnvelope(body).payload, type)
}

export function testBundle(reference: string, contents: object = { about: reference }, second = 0): Bundle {
  return generateBundle(DATASET.of(reference), contentsOf(contents), timestamp(second))
}

export function profileBundle(identity: NodeIdentity, second = 0): Bundle {
  return generateBundle(identity.rid, nodeProfileContents(identity.profile), timestamp(second))
}

export function newEvent(bundle: Bundle): string {
  return eventText(eventFromBundle('NEW', bundle))
}

export function eventsPayload(...eventTexts: readonly string[]): string {
  return `{"type":"events_payload","events":[${eventTexts.join(',')}]}`
}

function timestamp(second: number): string {
  return formatTimestamp(1_700_000_000_000_000n + BigInt(second) * 1_000_000n)
}

/** A logger whose lines can be looked at. */
export function recordingLogger(): Logger & {
  readonly lines: { level: string; message: string; fields?: LogFields | undefined }[]
} {
  const lines: { level: string; message: string; fields?: LogFields | undefined }[] = []
  const at = (level: string) => (message: string, fields?: LogFields) => void lines.push({ level, message, fields })
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** The store with some of its methods replaced. */
export function storeWith(store: NodeStore, changes: Partial<NodeStore>): NodeStore {
  return new Proxy(store, {
    get: (target, name: keyof NodeStore) => changes[name] ?? target[name].bind(target),
  })
}

/** Resolves when the condition holds; the test's own time limit ends the wait. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2))
}
