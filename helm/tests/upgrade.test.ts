import { describe, expect, test } from 'vitest'
import { HELMS, refusal, render, renderAnew } from './chart.ts'
import { clusterStub } from './cluster-stub.ts'

describe.for(HELMS)('%s: an upgrade', (name) => {
  test('keeps keys, RIDs, tokens and passwords, and restarts nothing for them', async ({ onTestFinished }) => {
    const before = await render(name)
    const cluster = await clusterStub(before.objects, onTestFinished)
    const after = await renderAnew(name, {}, { cluster })
    expect(after.objects).toEqual(before.objects)
    // Without the cluster all of them are others.
    const elsewhere = await renderAnew(name)
    expect(elsewhere.rid('gateway')).not.toBe(before.rid('gateway'))
  })

  test('gives new nodes new keys, and a node of another name an RID of the same key', async ({ onTestFinished }) => {
    const before = await render(name)
    const cluster = await clusterStub(before.objects, onTestFinished)
    const after = await renderAnew(name, { producers: { sales: {} }, gateway: { name: 'reader' } }, { cluster })
    expect(after.rid('coordinator')).toBe(before.rid('coordinator'))
    expect(after.rid('gateway')).toBe(before.rid('gateway').replace(':mcp-gateway+', ':reader+'))
    expect(after.secret('gateway-identity')['private.pem']).toBe(before.secret('gateway-identity')['private.pem'])
    expect(after.settings('coordinator').security.peer_types).toHaveProperty([after.rid('producer-sales')])
  })

  test('takes no Secret of somebody else for a key', async ({ onTestFinished }) => {
    const [secret] = (await render(name)).objects.filter(({ metadata }) => metadata.name.endsWith('gateway-identity'))
    const cluster = await clusterStub([{ ...secret!, data: { 'tls.key': 'eA==' } }], onTestFinished)
    expect(await refusal(name, {}, { cluster })).toMatch(
      /The Secret koi-koi-mcp-gateway-identity is there, but not of this chart: it has no private\.pem and rid/,
    )
  })
})
