import type { Accepted } from '@koi-mcp/core'
import type { GraphSeen } from '../check-history.ts'
import type { Plan } from '../plan.ts'
import type { PlannedFault } from '../scheduler.ts'

export interface Sudden {
  readonly await: number
  readonly kind: 'crash' | 'stall'
}

/** How a worker process takes part in a history. */
export interface Begin {
  /** Schema or namespace of the node's store. */
  readonly namespace: string
  readonly journal: string
  readonly name: string
  readonly seed: number
  readonly plan: Plan
  /** Those of the plan's that are this process's. */
  readonly faults: readonly PlannedFault[]
  /** What befalls it at its await of that number, wherever that is. */
  readonly sudden?: Sudden | undefined
}

/** What the test asks of a worker process, one call a message; each is answered with its id. */
export interface Calls {
  begin(options: Begin): Promise<void>
  /** The envelope of that number arrives. */
  accept(envelope: number): Promise<Accepted>
  /** Stops, and answers what the process believes of the network. */
  end(): Promise<GraphSeen>
}

export interface CallMessage {
  readonly id: number
  readonly call: keyof Calls
  readonly argument: unknown
}

export interface AnswerMessage {
  readonly id: number
  readonly result?: unknown
  readonly error?: string
}
