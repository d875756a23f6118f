import type { KnowledgeAdapter } from './domain/adapter.ts'
import type { NodeReply } from './network/node-reply.ts'
import type { PeerClient } from './network/peer-client.ts'
import type { NodeStore } from './store/node-store.ts'

/**
 * The way of an event through a node: taken into the inbox, answered with 200, cached, queued for the subscribers, taken out of the inbox,
 * sent, taken out of the outbox, shown to the adapters.
 */
export const FAULT_STEPS = [
  'accept',
  'answer',
  'apply',
  'announce',
  'settle',
  'finish',
  'send',
  'delivered',
  'consume',
] as const
type FaultStep = (typeof FAULT_STEPS)[number]

/** A moment at which a test may end the process, fail or wait: in front of a step, or behind it. */
export type FaultPoint = `${'before' | 'after'} ${FaultStep}`

/** @param about what the step is about: RIDs; for steps under a lane's lease the lane; for an answer the path */
export type Faults = (point: FaultPoint, about: readonly string[]) => void | Promise<void>

export function storeWithFaults(store: NodeStore, faults: Faults): NodeStore {
  return replacing(store, {
    accept: (arrivals, ...rest) =>
      around(
        faults,
        'accept',
        arrivals.map(({ rid }) => rid),
        () => store.accept(arrivals, ...rest),
      ),
    apply: (lease, ...rest) => around(faults, 'apply', [lease.lane], () => store.apply(lease, ...rest)),
    announce: (lease, ...rest) => around(faults, 'announce', [lease.lane], () => store.announce(lease, ...rest)),
    settle: (lease, ...rest) => around(faults, 'settle', [lease.lane], () => store.settle(lease, ...rest)),
    finish: (lease, ...rest) => around(faults, 'finish', [lease.lane], () => store.finish(lease, ...rest)),
    deadLetter: (lease, ...rest) => around(faults, 'finish', [lease.lane], () => store.deadLetter(lease, ...rest)),
    deliveriesDone: (batch) => around(faults, 'delivered', batch.rids, () => store.deliveriesDone(batch)),
  })
}

export function clientWithFaults(client: PeerClient, faults: Faults): PeerClient {
  return replacing(client, {
    broadcastEvents: (target, eventTexts) => {
      const rids = eventTexts.map((text) => (JSON.parse(text) as { rid: string }).rid)
      return around(faults, 'send', rids, () => client.broadcastEvents(target, eventTexts))
    },
  })
}

export function adapterWithFaults(adapter: KnowledgeAdapter, faults: Faults): KnowledgeAdapter {
  return replacing(adapter, {
    register: (entity) => around(faults, 'consume', [entity.rid], () => adapter.register?.(entity)),
    ...(adapter.update && {
      update: (entity) => around(faults, 'consume', [entity.rid], () => adapter.update?.(entity)),
    }),
    forget: (rid) => around(faults, 'consume', [rid], () => adapter.forget?.(rid)),
  })
}

export async function replyWithFaults(path: string, reply: NodeReply, faults: Faults): Promise<NodeReply> {
  await faults('before answer', [path])
  const finished = async (sent: boolean): Promise<void> => {
    await faults('after answer', [path])
    await reply.finished?.(sent)
  }
  return { ...reply, finished }
}

async function around<T>(
  faults: Faults,
  step: FaultStep,
  about: readonly string[],
  work: () => T | Promise<T>,
): Promise<T> {
  await faults(`before ${step}`, about)
  const result = await work()
  await faults(`after ${step}`, about)
  return result
}

/** The object with some of its methods replaced; the others run on the object itself, for the sake of its private fields. */
function replacing<T extends object>(object: T, methods: Partial<T>): T {
  return new Proxy(object, {
    get: (target, name) => {
      if (name in methods) return methods[name as keyof T]
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
