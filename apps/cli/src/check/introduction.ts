import { createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  authenticateEnvelope,
  BROADCAST_EVENTS_PATH,
  eventFromBundle,
  eventText,
  FETCH_BUNDLES_PATH,
  forgetEvent,
  formatTimestamp,
  generateBundle,
  generateKeyPair,
  microsOf,
  nodeProfileContents,
  nodeRid,
  parseEnvelope,
  parseErrorResponse,
  parsePayload,
  parseWellKnown,
  payloadText,
  publicKeyOf,
  publicKeyToDerBase64,
  signEnvelope,
  WELL_KNOWN_PATH,
} from '@koi-mcp/protocol'
import type { Rid, WellKnown } from '@koi-mcp/protocol'
import { CliError, messageOf } from '../errors.ts'

/** Name and key of a node that lives as long as a check. */
export interface Visitor {
  readonly rid: Rid
  readonly publicKey: string
  readonly privateKey: KeyObject
}

/** @param keyFile P-256, PEM; absent: a new key, which a node that deals with listed nodes alone does not know */
export const visitor = async (name: string, keyFile: string | undefined): Promise<Visitor> => {
  const privateKey = keyFile === undefined ? generateKeyPair().privateKey : await keyIn(keyFile)
  const publicKey = publicKeyToDerBase64(publicKeyOf(privateKey))
  return { rid: nodeRid(name, publicKey), publicKey, privateKey }
}

const keyIn = async (path: string): Promise<KeyObject> => {
  try {
    return createPrivateKey(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new CliError(`The key in ${path} cannot be used: ${messageOf(cause)}`, { cause })
  }
}

/** The node does not know who calls. */
class StillUnknown extends CliError {}

/** A visit to a node: signed calls to it, and its signed replies. */
export class Introduction {
  readonly #visitor: Visitor
  readonly #host: WellKnown
  readonly #signal: AbortSignal

  private constructor(visitor: Visitor, host: WellKnown, signal: AbortSignal) {
    this.#visitor = visitor
    this.#host = host
    this.#signal = signal
  }

  /** Learns who answers at a base URL. @throws CliError where it is no node, or not that of the RID */
  static async to(url: string, rid: string | undefined, visitor: Visitor, signal: AbortSignal): Promise<Introduction> {
    const { body } = await reached(url, fetch(new URL(WELL_KNOWN_PATH, url), { redirect: 'error', signal }))
    const host = parseWellKnown(body)
    if (rid !== undefined && host.rid !== rid) throw new CliError(`${url} is the node ${host.rid}, not ${rid}`)
    return new Introduction(visitor, { ...host, base_url: url }, signal)
  }

  get host(): Rid {
    return this.#host.rid
  }

  /** Makes itself known, as a node without an address. */
  async greet(): Promise<void> {
    const { rid, publicKey } = this.#visitor
    const profile = { node_type: 'PARTIAL', provides: { event: [], state: [] }, public_key: publicKey } as const
    const bundle = generateBundle(rid, nodeProfileContents(profile), formatTimestamp(microsOf(new Date())))
    await this.#tell(eventText(eventFromBundle('NEW', bundle)))
  }

  /** Whether the node has taken the visitor in: it answers with the visitor's own bundle. */
  async isKnown(): Promise<boolean> {
    const { rid } = this.#visitor
    let body: string
    try {
      body = await this.#call(FETCH_BUNDLES_PATH, payloadText({ type: 'fetch_bundles', rids: [rid] }))
    } catch (error) {
      // What it has taken is worked off a moment later.
      if (error instanceof StillUnknown) return false
      throw error
    }
    const envelope = parseEnvelope(body)
    authenticateEnvelope(envelope, this.#host.profile.public_key, rid)
    return parsePayload(envelope.payload, 'bundles_payload').bundles.some(({ ok }) => ok?.manifest.rid === rid)
  }

  /** Has a signal of its own, for it is said when the time is over too. */
  async sayGoodbye(signal: AbortSignal): Promise<void> {
    await this.#tell(eventText(forgetEvent(this.#visitor.rid)), signal)
  }

  async #tell(event: string, signal?: AbortSignal): Promise<void> {
    await this.#call(BROADCAST_EVENTS_PATH, `{"type":"events_payload","events":[${event}]}`, signal)
  }

  async #call(path: string, payload: string, signal = this.#signal): Promise<string> {
    const { rid: source, privateKey } = this.#visitor
    const url = `${this.#host.base_url.replace(/\/+$/u, '')}${path}`
    const body = signEnvelope({ payloadText: payload, source, target: this.#host.rid }, privateKey)
    const request = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      redirect: 'error',
    } as const
    const reply = await reached(url, fetch(url, { ...request, signal }), source)
    return reply.body
  }
}

/** The reply's body. @throws CliError where there is none, or a refusal */
const reached = async (url: string, reply: Promise<Response>, who?: Rid): Promise<{ readonly body: string }> => {
  let response: Response
  try {
    response = await reply
  } catch (cause) {
    throw new CliError(
      `No node answers at ${url} (${messageOf(cause instanceof Error ? (cause.cause ?? cause) : cause)})`,
      { cause },
    )
  }
  const body = await response.text()
  if (response.ok) return { body }
  const what = `${url} answered HTTP ${response.status}: ${body.slice(0, 200)}`
  if (parseErrorResponse(body) === 'unknown_node') throw new StillUnknown(what)
  throw new CliError(response.status === 403 && who !== undefined ? `${what}: it has to list ${who}` : what)
}
