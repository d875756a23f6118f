/** A node that asks others, and one of them that answers with lies, nonsense, too much, too slowly or never. */
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { payloadText } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { NoteRID, Notes } from '../../test/notes.ts'
import { bundleNow, Outsider } from '../../test/outsider.ts'
import {
  envelopeOf,
  eventsPayload,
  newEvent,
  profileBundle,
  recordingLogger,
  testIdentity,
  until,
} from '../../test/peers.ts'
import type { Answer } from '../../test/peers.ts'
import { ConsumerNode } from '../nodes/consumer-node.ts'
import type { KoiNode } from '../nodes/koi-node.ts'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()))
})

const other = testIdentity('other', 'http://127.0.0.1:9/koi-net')
const truthOf = ({ body }: Answer): { payload: unknown; signature: string } => JSON.parse(String(body)) as never

interface Lie {
  readonly name: string
  tell(truth: Answer, to: Rid, liar: Outsider): Answer
  /** What the node says of it in its log. */
  readonly said: RegExp
  /** How long the node waits for a reply. */
  readonly timeoutMs?: number
}

const ok = (body: string): Answer => ({ status: 200, body })
const lies: readonly Lie[] = [
  {
    name: 'unsigned',
    tell: (truth) => ok(JSON.stringify({ ...truthOf(truth), signature: undefined })),
    said: /no sound envelope: signature/,
  },
  {
    name: 'with the signature of another',
    tell: (truth, to, { rid }) => ok(envelopeOf({ ...other, rid }, to, JSON.stringify(truthOf(truth).payload))),
    said: /no sound envelope: the signature .* does not verify/,
  },
  {
    name: 'in the name of another',
    tell: (truth, to) => ok(envelopeOf(other, to, JSON.stringify(truthOf(truth).payload))),
    said: /no sound envelope: source_node/,
  },
  {
    name: 'for another target',
    tell: (truth, _, { identity }) => ok(envelopeOf(identity, other.rid, JSON.stringify(truthOf(truth).payload))),
    said: /no sound envelope: an envelope .* is meant for/,
  },
  {
    name: 'of the wrong type',
    tell: (_, to, { identity }) => ok(envelopeOf(identity, to, payloadText({ type: 'poll_events', limit: 0 }))),
    said: /no sound envelope: payload.type/,
  },
  { name: 'empty', tell: () => ok(''), said: /no sound envelope/ },
  { name: 'that is null', tell: () => ok('null'), said: /no sound envelope/ },
  {
    name: 'without an end',
    tell: () => ({ status: 200, body: '{"payload":"', more: spaces() }),
    said: /the reply is longer than \d+ bytes/,
  },
  {
    name: 'drop by drop',
    tell: () => ({ status: 200, body: '{', more: drops() }),
    said: /did not answer within 2000 ms/,
    timeoutMs: 2_000,
  },
  {
    name: 'that never comes',
    tell: () => ({ status: 200, body: '', hangs: true }),
    said: /did not answer within 2000 ms/,
    timeoutMs: 2_000,
  },
  {
    name: 'of elsewhere',
    tell: () => ({ status: 307, body: '', headers: { location: 'http://127.0.0.1:9/koi-net' } }),
    said: /status 307.*redirects are not followed/,
  },
  {
    name: 'with status 500',
    tell: () => ({ status: 500, body: 'Internal Server Error' }),
    said: /status 500: Internal/,
  },
]

/** The most that went into one reply. */
let longest = 0
async function* spaces(): AsyncGenerator<string> {
  const block = ' '.repeat(1024 * 1024)
  for (let sent = block.length; ; sent += block.length) {
    longest = Math.max(longest, sent)
    yield await Promise.resolve(block)
  }
}

async function* drops(): AsyncGenerator<string> {
  for (;;) {
    await pause(20)
    yield ' '
  }
}

async function start(
  { timeoutMs }: Pick<Lie, 'timeoutMs'>,
  more: { baseUrl?: string } = { baseUrl: 'http://127.0.0.1:0/koi-net' },
) {
  const log = recordingLogger()
  const network = { requestTimeoutMs: timeoutMs, maxRetries: 1, pollIntervalMs: 20 }
  const node = new ConsumerNode({ name: 'reader', domains: [new Notes()], log, network, ...more })
  await node.start()
  stops.push(() => node.stop())
  /** Lines about the peer whose text or error matches. */
  const said = (peer: Rid, what: RegExp): readonly string[] =>
    log.lines
      .filter(({ level, fields }) => level !== 'debug' && fields?.['peer'] === peer)
      .filter(({ message, fields }) => what.test(`${message} ${String(fields?.['error'])}`))
      .map(({ message }) => message)
  return { node, said, log }
}

async function outsider(): Promise<Outsider> {
  const made = await Outsider.start([NoteRID.name])
  stops.push(made.stop)
  return made
}

const notes = (node: KoiNode) => node.store.listRids({ types: [NoteRID.name] })

describe('a node that is answered', () => {
  it.each(lies.map((lie) => [lie.name, lie] as const))(
    'a reply %s says so, keeps what it has, and hears of others meanwhile',
    async (_, lie) => {
      const { node, said } = await start(lie)
      const [liar, honest] = [await outsider(), await outsider()]
      await liar.introduce(node)
      await honest.introduce(node)
      await honest.approve(node)
      const kept = NoteRID.of('kept')
      await liar.tell(node, newEvent(bundleNow(kept, { n: 1 })))
      const before = await node.store.read(kept)
      const wanted = NoteRID.of('wanted')
      for (const rid of [kept, wanted]) liar.holds.set(rid, bundleNow(rid, { n: 2 }))
      liar.lie = (truth, to) => (truth.body === 'null' ? truth : lie.tell(truth, to, liar))

      // Catching up, which the approval begins; fetching for an event; dereferencing.
      const approving = liar.approve(node)
      await liar.call(node, '/events/broadcast', eventsPayload(`{"rid":"${kept}","event_type":"UPDATE"}`))
      const asked = node.deref(wanted, { network: true })
      const first = NoteRID.of('first')
      await honest.call(node, '/events/broadcast', eventsPayload(newEvent(bundleNow(first, { n: 1 }))))
      await until(async () => (await node.store.read(first)) !== undefined)

      await approving
      expect(await asked).toBeUndefined()
      await until(() => said(liar.rid, lie.said).length >= 3)
      const lines = said(liar.rid, lie.said).map((line) => line.replace(/:.*/, ''))
      expect(new Set(lines)).toEqual(
        new Set([
          'put among the dead letters',
          'a provider could not be asked',
          expect.stringMatching('could not catch up'),
        ]),
      )
      expect(await node.store.read(kept)).toEqual(before)
      expect([...(await notes(node))].sort()).toEqual([first, kept])
      if (lie.name === 'without an end') expect(longest).toBeLessThan(48 * 1024 * 1024)
    },
  )

  it.each(lies.map((lie) => [lie.name, lie] as const))(
    'a poll %s says so once, and goes on polling the others',
    async (_, lie) => {
      const { node, said } = await start(lie, {})
      const [liar, honest] = [await outsider(), await outsider()]
      for (const { rid, identity } of [liar, honest]) {
        await node.store.accept([{ rid, ...profileBundle(identity), source: rid }])
        await until(() => node.graph.neighbors('in').includes(rid))
      }
      liar.queued = [newEvent(bundleNow(NoteRID.of('lied'), { n: 1 }))]
      liar.lie = (truth, to) => (truth.body === 'null' ? truth : lie.tell(truth, to, liar))
      await until(() => said(liar.rid, lie.said).includes('could not poll'))
      for (const name of ['a', 'b']) {
        honest.queued = [newEvent(bundleNow(NoteRID.of(name), { n: 1 }))]
        await until(async () => (await node.store.read(NoteRID.of(name))) !== undefined)
      }
      expect(said(liar.rid, lie.said).filter((line) => line === 'could not poll')).toHaveLength(1)
      expect([...(await notes(node))].sort()).toEqual(['a', 'b'].map((name) => NoteRID.of(name)))
    },
  )

  it('nothing for a hundred events goes on with those of others, and with nodes', async () => {
    const { node } = await start({})
    const [liar, honest] = [await outsider(), await outsider()]
    for (const peer of [liar, honest]) {
      await peer.introduce(node)
      await peer.approve(node)
    }
    liar.lie = (truth) => (truth.body === 'null' ? truth : { status: 200, body: '', hangs: true })
    const rids = Array.from({ length: 100 }, (_, index) => NoteRID.of(`empty${index}`))
    const bare = [liar.rid, ...rids].map((rid) => `{"rid":"${rid}","event_type":"UPDATE"}`)
    await liar.call(node, '/events/broadcast', eventsPayload(...bare))
    await until(() => liar.calls.length > 8)
    const [first, newcomer] = [NoteRID.of('first'), await outsider()]
    await honest.call(node, '/events/broadcast', eventsPayload(newEvent(bundleNow(first, { n: 1 }))))
    await newcomer.call(node, '/events/broadcast', eventsPayload(newEvent(newcomer.profileBundle())))
    await until(async () => (await node.store.read(first)) !== undefined)
    await until(() => node.graph.profile(newcomer.rid) !== undefined)
    await until(async () => (await node.store.inboxState()).pending === bare.length)
  })

  it('what it asked for, brings in a node that was told without contents', async () => {
    const { node } = await start({})
    const teller = await outsider()
    await teller.introduce(node)
    teller.holds.set(teller.rid, teller.profileBundle({ provides: { event: [], state: [NoteRID.name] } }))
    await teller.tell(node, `{"rid":"${teller.rid}","event_type":"UPDATE"}`)
    await until(() => node.graph.profile(teller.rid)?.provides.event.length === 0)
  })
})
