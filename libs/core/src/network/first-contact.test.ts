import { afterEach, describe, expect, it } from 'vitest'
import { wellKnownText } from '@koi-mcp/protocol'
import { recordingLogger, testIdentity, testServer } from '../../test/peers.ts'
import type { Answer, TestServer } from '../../test/peers.ts'
import { FirstContact, FirstContactError } from './first-contact.ts'
import type { FirstContactOptions } from './first-contact.ts'
import { HttpExchange } from './http-exchange.ts'

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

const never = new AbortController().signal

async function setup(): Promise<{
  server: TestServer
  values: Map<string, string>
  log: ReturnType<typeof recordingLogger>
  contact: (options?: Partial<FirstContactOptions>) => FirstContact
}> {
  const server = await testServer(() => ({ status: 404, body: '{}' }))
  const http = new HttpExchange()
  opened.push(server, http)
  const values = new Map<string, string>()
  const log = recordingLogger()
  const store = {
    getValue: (key: string) => Promise.resolve(values.get(key)),
    setValue: (key: string, value: string | undefined) => {
      values.set(key, value ?? '')
      return Promise.resolve()
    },
    claimValue: (key: string, value: string) => {
      const claimed = values.get(key) ?? value
      values.set(key, claimed)
      return Promise.resolve(claimed)
    },
  }
  const contact = (options: Partial<FirstContactOptions> = {}): FirstContact =>
    new FirstContact({
      url: `${server.origin}/koi-net`,
      http,
      store,
      log,
      clock: () => 0,
      backoff: { baseMs: 1, factor: 1, capMs: 1 },
      ...options,
    })
  return { server, values, log, contact }
}

function wellKnown(node: ReturnType<typeof testIdentity>): { status: number; body: string } {
  const base_url = node.profile.base_url!
  return { status: 200, body: wellKnownText({ rid: node.rid, base_url, profile: node.profile }) }
}

describe('FirstContact', () => {
  it('learns the RID from the host of the URL, trusts it and remembers it', async () => {
    const { server, values, log, contact } = await setup()
    const node = testIdentity('coordinator', `${server.origin}/koi-net`)
    server.answer = () => wellKnown(node)
    const first = contact()
    expect(first.known).toBeUndefined()
    const learned = await first.learn(never)
    expect(learned).toEqual({ rid: node.rid, url: `${server.origin}/koi-net`, publicKey: node.profile.public_key })
    expect(first.known).toEqual(learned)
    expect(server.requests.map(({ method, path }) => [method, path])).toEqual([['GET', '/.well-known/koi-net.json']])
    expect([...values]).toEqual([[`first-contact/${server.origin}/koi-net`, node.rid]])
    expect(log.lines.map(({ message }) => message)).toEqual([
      'trusting the first contact on first use; another node there will be refused later',
    ])
    await contact().learn(never)
    expect(log.lines).toHaveLength(1)
  })

  it('refuses another node there later, and says what to do', async () => {
    const { server, contact } = await setup()
    const node = testIdentity('coordinator', `${server.origin}/koi-net`)
    server.answer = () => wellKnown(node)
    await contact().learn(never)
    const other = testIdentity('coordinator', `${server.origin}/koi-net`)
    server.answer = () => wellKnown(other)
    const refused = contact().learn(never)
    await expect(refused).rejects.toThrow(FirstContactError)
    await expect(refused).rejects.toThrow(`set network.first_contact_rid to ${other.rid}`)
    expect((await contact({ rid: other.rid }).learn(never))?.rid).toBe(other.rid)
    expect((await contact().learn(never))?.rid).toBe(other.rid)
  })

  it('trusts nobody else than another process of this node did at the same moment', async () => {
    const { server, values, contact } = await setup()
    const [node, other] = ['a', 'b'].map((name) => testIdentity(name, `${server.origin}/koi-net`))
    server.answer = () => wellKnown(node!)
    const getValue = () => Promise.resolve(undefined)
    const claimValue = () => Promise.resolve(other!.rid)
    const late = contact({ store: { getValue, claimValue, setValue: () => Promise.reject(new Error('not asked')) } })
    await expect(late.learn(never)).rejects.toThrow(`was the node ${other!.rid} and is now ${node!.rid}`)
    expect([late.known, values.size]).toEqual([undefined, 0])
  })

  it('knows who it is before it is asked again, from the last time or from the settings', async () => {
    const { server, contact } = await setup()
    const node = testIdentity('coordinator', `${server.origin}/koi-net`)
    server.answer = () => wellKnown(node)
    const first = contact()
    await first.recall()
    expect(first.rid).toBeUndefined()
    await first.learn(never)
    expect(first.rid).toBe(node.rid)
    const restarted = contact()
    await restarted.recall()
    expect(restarted.rid).toBe(node.rid)
    const pinned = testIdentity('pinned').rid
    expect(contact({ rid: pinned }).rid).toBe(pinned)
  })

  it('refuses a node that is not the configured one', async () => {
    const { server, values, contact } = await setup()
    server.answer = () => wellKnown(testIdentity('coordinator', `${server.origin}/koi-net`))
    await expect(contact({ rid: testIdentity('expected').rid }).learn(never)).rejects.toThrow(
      'network.first_contact_rid says',
    )
    expect(values.size).toBe(0)
  })

  it('goes on asking a host that is down, mistaken or lying, and says so once', async () => {
    const { server, log, contact } = await setup()
    const node = testIdentity('coordinator', `${server.origin}/koi-net`)
    const lie = wellKnownText({ rid: testIdentity('victim').rid, base_url: server.origin, profile: node.profile })
    const answers = [
      { status: 502, body: '' },
      { status: 200, body: '{"rid":' },
      { status: 200, body: lie },
      wellKnown(node),
    ]
    server.answer = () => answers.shift()!
    expect((await contact().learn(never))?.rid).toBe(node.rid)
    expect(log.lines.map(({ level, message }) => [level, message])).toEqual([
      ['warn', 'the first contact does not answer, asking again until it does'],
      ['warn', 'trusting the first contact on first use; another node there will be refused later'],
    ])
  })

  const page = 'x'.repeat(10_000)
  it.each<[string, Answer, RegExp, number?]>([
    ['nothing', { status: 200, body: '' }, /JSON/],
    ['of elsewhere', { status: 302, body: '', headers: { location: 'http://127.0.0.1:9/' } }, /status 302/],
    ['without an end', { status: 200, body: page, hangs: true }, /longer than 5000 bytes/],
    ['never', { status: 200, body: '', hangs: true }, /did not answer within 100 ms/, 100],
    ['with status 500', { status: 500, body: page }, /longer than 5000 bytes|status 500/],
  ])(
    'goes on asking a host that answers %s, with the reason in the log',
    async (_, answer, reason, requestTimeoutMs) => {
      const http = new HttpExchange({ requestTimeoutMs, maxReplyBytes: 5_000 })
      opened.push(http)
      const { server, log, contact } = await setup()
      const node = testIdentity('coordinator', `${server.origin}/koi-net`)
      server.answer = () => (server.requests.length < 3 ? answer : wellKnown(node))
      expect((await contact({ http }).learn(never))?.rid).toBe(node.rid)
      expect(server.requests).toHaveLength(3)
      expect(log.lines[0]).toMatchObject({ level: 'warn', fields: { url: `${server.origin}/koi-net` } })
      expect(log.lines[0]?.fields?.['error']).toMatch(reason)
    },
  )

  it('says again after 30 seconds that nobody answers', async () => {
    const { log, contact } = await setup()
    const stop = new AbortController()
    let now = 0
    const clock = (): number => {
      now += 10_000
      if (now > 90_000) stop.abort()
      return now
    }
    expect(await contact({ clock }).learn(stop.signal)).toBeUndefined()
    expect(log.lines.length).toBeGreaterThanOrEqual(2)
    expect(log.lines.length).toBeLessThanOrEqual(3)
  })

  it('takes the configured RID for a host without the page, as a reference node is one', async () => {
    const { server, contact } = await setup()
    const { rid } = testIdentity('reference')
    expect(await contact({ rid }).learn(never)).toEqual({ rid, url: `${server.origin}/koi-net` })
    expect(await contact({ rid, url: server.origin }).learn(never)).toEqual({ rid, url: `${server.origin}/koi-net` })
  })

  it('calls the given address where the node names another one, and says so', async () => {
    const { server, log, contact } = await setup()
    const node = testIdentity('coordinator', 'http://coordinator.internal:9000/deep/koi-net')
    server.answer = () => wellKnown(node)
    expect((await contact({ url: server.origin }).learn(never))?.url).toBe(`${server.origin}/deep/koi-net`)
    expect((await contact({ url: `${server.origin}/via` }).learn(never))?.url).toBe(`${server.origin}/via`)
    expect(log.lines.map(({ message }) => message)).toContain(
      'the first contact calls itself by another address than the one given here',
    )
  })

  it('refuses what is no address', async () => {
    const { contact } = await setup()
    expect(() => contact({ url: 'localhost:9000' })).toThrow('is no http or https address')
    expect(() => contact({ url: '' })).toThrow(FirstContactError)
  })
})
