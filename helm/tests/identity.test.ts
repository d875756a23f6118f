import { createPrivateKey } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { nodeRid, publicKeyOf, publicKeyToDerBase64 } from '@koi-mcp/protocol'
import { HELMS, render, renderAnew } from './chart.ts'

const NODES = { coordinator: 'coordinator', 'producer-example': 'example', gateway: 'mcp-gateway' }
const OWN = { existingSecret: 'my-key', rid: `orn:koi-net.node:coordinator+${'0a'.repeat(32)}` }

describe.for(HELMS)('%s: a node’s identity', (name) => {
  test('is a new P-256 key for each node, and the RID that the protocol makes of name and key', async () => {
    const chart = await render(name)
    const keys = new Set<string>()
    for (const [object, node] of Object.entries(NODES)) {
      const { 'private.pem': pem, rid } = chart.secret(`${object}-identity`)
      const publicKey = publicKeyToDerBase64(publicKeyOf(createPrivateKey(pem!)))
      expect(rid).toBe(nodeRid(node, publicKey))
      keys.add(publicKey)
    }
    expect(keys.size).toBe(3)
  })

  test('is kept when the release goes, and mounted for the node alone', async () => {
    const chart = await render(name)
    const secret = chart.get('Secret', 'coordinator-identity')
    expect(secret.metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' })
    const volume = chart.pod('coordinator').volumes.find((one: { name: string }) => one.name === 'identity')
    expect(volume.secret).toEqual({
      secretName: secret.metadata.name,
      defaultMode: 0o440,
      items: [{ key: 'private.pem', path: 'private.pem' }],
    })
    const mount = chart.container('coordinator').volumeMounts.find((one: { name: string }) => one.name === 'identity')
    expect(chart.settings('coordinator').node.private_key_file).toBe(`${mount.mountPath}/private.pem`)
  })

  test('is what the others list, and the coordinator’s is whom they ask for', async () => {
    const chart = await render(name, { tests: { enabled: false } })
    const rids = Object.keys(NODES).map((object) => chart.rid(object))
    for (const object of Object.keys(NODES)) {
      const { network, security } = chart.settings(object)
      const others = rids.filter((rid) => rid !== chart.rid(object))
      expect(security).toEqual({ peers: 'listed', peer_types: Object.fromEntries(others.map((rid) => [rid, ['*']])) })
      if (object !== 'coordinator')
        expect(network).toEqual({
          first_contact: chart.settings('coordinator').node.base_url,
          first_contact_rid: chart.rid('coordinator'),
        })
    }
    expect(chart.settings('coordinator').network).toBeUndefined()
  })

  test('may be a Secret of one’s own, whose RID the values say', async () => {
    const chart = await render(name, { coordinator: { identity: OWN } })
    expect(chart.find('Secret', 'coordinator-identity')).toBeUndefined()
    expect(JSON.stringify(chart.pod('coordinator').volumes)).toContain('"secretName":"my-key"')
    expect(chart.settings('gateway').network.first_contact_rid).toBe(OWN.rid)
    expect(chart.settings('gateway').security.peer_types).toHaveProperty([OWN.rid], ['*'])
  })

  test('follows the node’s name, and restarts the pod when it changes', async () => {
    const chart = await render(name, { gateway: { name: 'reader' } })
    expect(chart.rid('gateway')).toMatch(/^orn:koi-net\.node:reader\+[0-9a-f]{64}$/)
    const { annotations } = chart.get('Deployment', 'gateway')['spec'].template.metadata
    expect(annotations['koi-mcp.io/rid']).toBe(chart.rid('gateway'))
  })

  test('tokens and passwords are new and kept too', async () => {
    const [a, b] = await Promise.all([render(name), renderAnew(name)])
    for (const [object, key, length] of [
      ['publish-token', 'publish-token', 40],
      ['postgres', 'password', 32],
      ['valkey', 'password', 32],
    ] as const) {
      expect(a.secret(object)[key]).toMatch(new RegExp(`^[A-Za-z0-9]{${length}}$`))
      expect(a.secret(object)[key]).not.toBe(b.secret(object)[key])
      expect(a.get('Secret', object).metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' })
    }
  })
})
