import type { Rid } from '@koi-mcp/protocol'
import type { SecurityRules } from '../../security/security-rules.ts'
import type { HandlerFunction, ProcessorContext } from '../handler.ts'
import { STOP_CHAIN } from '../handler.ts'

/** What of the network is taken in at most: making a node costs its maker a key and us memory. */
export class Capacity {
  readonly #rules: SecurityRules
  readonly #maxNodes: number
  #saidAt = Number.NEGATIVE_INFINITY
  #unsaid = 0

  constructor(rules: SecurityRules) {
    this.#rules = rules
    this.#maxNodes = rules.maxNodes ?? DEFAULT_MAX_NODES
  }

  /** Refuses a newcomer beyond `network.max_nodes`. Those that the operator named always fit. */
  readonly nodes: HandlerFunction = ({ identity, graph, log }, { rid, source, normalizedEventType }) => {
    if (normalizedEventType !== 'NEW' || rid === identity.rid) return undefined
    if (this.#rules.peers?.names(rid) === true || rid === this.#rules.firstContact()) return undefined
    // This node is one of those in its graph.
    if (graph.nodes().length - 1 < this.#maxNodes) return undefined
    this.#say(log, `a node beyond the ${this.#maxNodes} that are taken in (network.max_nodes)`, { rid, peer: source })
    return STOP_CHAIN
  }

  /** Whether there is room for one more edge between others, told by `source`. Between n nodes known here each has at most 2 (n - 1). */
  hasRoomForEdge({ graph, log }: ProcessorContext, rid: Rid, source: Rid): boolean {
    const ofSource = EDGES_PER_NODE * this.#maxNodes
    if (graph.edgesOf(source).length < ofSource && graph.edges().length < EDGES_PER_NODE * ofSource) return true
    this.#say(log, 'an edge beyond those that are taken in (they grow with network.max_nodes)', { rid, peer: source })
    return false
  }

  /** At most once a minute, for what comes in such numbers. */
  #say(log: ProcessorContext['log'], what: string, fields: { rid: Rid; peer: Rid | undefined }): void {
    this.#unsaid += 1
    const now = performance.now()
    if (now - this.#saidAt < SAY_AGAIN_MS) return
    log.warn(`dropped: ${what}`, { ...fields, count: this.#unsaid })
    this.#saidAt = now
    this.#unsaid = 0
  }
}

const DEFAULT_MAX_NODES = 10_000
const EDGES_PER_NODE = 2
const SAY_AGAIN_MS = 60_000
