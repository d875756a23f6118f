/** Whatever a hostile node sends ours: a real koi-net node behind ours lives on, can ask for all that ours have, and hears the next good event. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CoordinatorNode, ProducerNode } from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'
import { HandNode } from './hand-node.ts'
import { ATTACKS, besideOf, withGoodEvent } from './hostile.ts'
import type { Attack } from './hostile.ts'
import { NoteRID, reference, theirs, until } from './network.ts'
import { OurSide } from './our-side.ts'
import type { ReferencePeer } from './reference-peer.ts'
import { approvedAtBoth } from './scenarios/joining.ts'

describe.skipIf(!('python' in reference))('a real koi-net node behind ours', () => {
  let coordinator: OurSide
  let producer: OurSide
  let full: ReferencePeer
  let partial: ReferencePeer
  beforeAll(async () => {
    // Anyone may speak about anything here, so that all that is well formed is kept and passed on.
    const security = { authority: 'open' } as const
    coordinator = await OurSide.start((options) => new CoordinatorNode({ ...options, security }), {
      name: 'coordinator',
    })
    const contact = coordinator
    producer = await OurSide.start((options) => new ProducerNode({ ...options, security }), {
      name: 'producer',
      contact,
    })
    await approvedAtBoth(coordinator, producer)
    ;[full, partial] = await Promise.all([theirs('curious', 'full', contact), theirs('partial', 'partial', contact)])
    await Promise.all([full, partial].map((peer) => approvedAtBoth(producer, peer)))
  })
  afterAll(async () => {
    await Promise.all([full, partial, producer].map((node) => node.stop()))
    await coordinator.stop()
  })

  let stranger: HandNode | undefined
  /** A hostile node that both of ours know. */
  async function introduced(isFresh: boolean): Promise<HandNode> {
    if (stranger !== undefined && !isFresh) return stranger
    const hostile = new HandNode('hostile')
    for (const ours of [coordinator, producer]) {
      expect(await hostile.send(ours, 'events_payload', hostile.handshake())).toEqual({ status: 200, body: 'null' })
      await until('the hostile node is known', async () => (await ours.contents(hostile.rid)) !== undefined)
    }
    return (stranger = hostile)
  }

  it.each(ATTACKS)('survives $name', async (attack) => {
    const hostile = await introduced(attack.isAboutItself)
    await Promise.all([coordinator, producer].map((ours) => strike(attack, hostile, ours)))
    const good = NoteRID.of(`after ${attack.name}`)
    await producer.publish(good, { good: true })
    await Promise.all(
      [full, partial].map((peer) =>
        until(`${peer.rid} hears the next event`, async () => (await peer.contents(good)) !== undefined),
      ),
    )
    await full.catchUp([coordinator, producer])
    await Promise.all([full, partial].map((peer) => peer.check()))
  })

  async function strike(attack: Attack, hostile: HandNode, ours: OurSide): Promise<void> {
    const payload = withGoodEvent(attack, attack.payload(hostile, ours, full))
    const { status } = await hostile.send(ours, 'events_payload', payload)
    expect(status).toBeLessThan(500)
    // One that is taken is taken but for what is bad in it.
    if (status !== 200) return
    await until('the good event beside', async () => (await ours.contents(besideOf(attack.name) as Rid)) !== undefined)
    await ours.idle()
  }
})
