import { describe, expect, test } from 'vitest'
import { EXTRA_APIS, HELMS, render } from './chart.ts'
import { EXPOSED } from './values.ts'

const apis = EXTRA_APIS
const ONLY_MCP = ['/mcp', '/.well-known']

describe.for(HELMS)('%s: who gets in', (name) => {
  test('by default nobody from outside, and inside those with the token', async () => {
    const chart = await render(name, {}, { apis })
    expect([...chart.names('Ingress'), ...chart.names('HTTPRoute')]).toEqual([])
    for (const object of chart.names('Service')) {
      expect(
        chart.objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === object)!['spec'].type,
      ).toBeUndefined()
    }
    const own = await render(name, { security: { publishToken: { existingSecret: 'mine' } } })
    expect(own.env('gateway')).toMatchObject({ KOI_MCP_SECURITY__PUBLISH_TOKEN: 'mine/publish-token' })
    expect(own.find('Secret', 'publish-token')).toBeUndefined()
  })

  test('tokens of an issuer, with its keys from a URL', async () => {
    const auth = { ...EXPOSED.security.auth, algorithms: ['ES256'], permissionsClaim: 'roles' }
    const chart = await render(name, { security: { auth } })
    for (const object of ['coordinator', 'producer-example', 'gateway']) {
      expect(chart.settings(object).security).toMatchObject({
        enable_auth: true,
        auth_provider: 'jwt',
        auth_config: {
          issuer: auth.issuer,
          audience: auth.audience,
          jwks_url: auth.jwksUrl,
          algorithms: ['ES256'],
          permissions_claim: 'roles',
        },
        peers: 'listed',
      })
    }
  })

  test('tokens of an issuer, with its keys from a ConfigMap', async () => {
    const { jwksUrl: _, ...auth } = EXPOSED.security.auth
    const chart = await render(name, { security: { auth: { ...auth, jwksConfigMap: 'keys' } } })
    expect(chart.settings('gateway').security.auth_config).toEqual({
      issuer: auth.issuer,
      audience: auth.audience,
      jwks_file: '/etc/koi-mcp-jwks/jwks.json',
    })
    expect(chart.pod('gateway').volumes).toContainEqual({ name: 'jwks', configMap: { name: 'keys' } })
    expect(chart.container('gateway').volumeMounts).toContainEqual({
      name: 'jwks',
      mountPath: '/etc/koi-mcp-jwks',
      readOnly: true,
    })
  })

  test('over an Ingress, which has MCP alone', async () => {
    const ingress = {
      enabled: true,
      host: 'mcp.example.org',
      className: 'nginx',
      tlsSecret: 'tls',
      annotations: { a: 'b' },
    }
    const chart = await render(name, { ...EXPOSED, gateway: { ingress } })
    const object = chart.get('Ingress', 'gateway')
    expect(object.metadata.annotations).toEqual({ a: 'b' })
    expect(object['spec']).toEqual({
      ingressClassName: 'nginx',
      tls: [{ hosts: ['mcp.example.org'], secretName: 'tls' }],
      rules: [
        {
          host: 'mcp.example.org',
          http: {
            paths: ONLY_MCP.map((path) => ({
              path,
              pathType: 'Prefix',
              backend: { service: { name: 'koi-koi-mcp-gateway', port: { name: 'http' } } },
            })),
          },
        },
      ],
    })
  })

  test('over a route of the Gateway API, which has MCP alone', async () => {
    const parentRefs = [{ name: 'public', namespace: 'infra' }]
    const httpRoute = { enabled: true, hostnames: ['mcp.example.org'], parentRefs, annotations: { a: 'b' } }
    const chart = await render(name, { ...EXPOSED, gateway: { httpRoute } }, { apis })
    const object = chart.get('HTTPRoute', 'gateway')
    expect(object.metadata.annotations).toEqual({ a: 'b' })
    expect(object['spec']).toEqual({
      parentRefs,
      hostnames: ['mcp.example.org'],
      rules: [
        {
          matches: ONLY_MCP.map((value) => ({ path: { type: 'PathPrefix', value } })),
          backendRefs: [{ name: 'koi-koi-mcp-gateway', port: 9000 }],
        },
      ],
    })
  })

  test('nodes that the values list, or any node', async () => {
    const theirs = `orn:koi-net.node:theirs+${'0a'.repeat(32)}`
    const types = ['orn:data-catalog.dataset']
    const [listed, open] = await Promise.all([
      render(name, { security: { peerTypes: { [theirs]: types } } }),
      render(name, { security: { peers: 'open' } }),
    ])
    for (const object of ['coordinator', 'gateway'])
      expect(listed.settings(object).security.peer_types[theirs]).toEqual(types)
    expect(open.settings('coordinator').security).toEqual({ peers: 'open' })
  })

  test('a coordinator of somebody else', async () => {
    const external = { url: 'https://koi.example.org/koi-net/', rid: `orn:koi-net.node:hub+${'0b'.repeat(32)}` }
    const chart = await render(name, { coordinator: { enabled: false }, externalCoordinator: external })
    expect(chart.names('Deployment')).toEqual(['koi-koi-mcp-gateway', 'koi-koi-mcp-producer-example'])
    expect(chart.settings('gateway').network).toEqual({
      first_contact: 'https://koi.example.org/koi-net',
      first_contact_rid: external.rid,
    })
    expect(chart.settings('gateway').security.peer_types).toEqual({
      [external.rid]: ['*'],
      [chart.rid('producer-example')]: ['*'],
    })
    expect(chart.get('NetworkPolicy', 'gateway')['spec'].egress).toContainEqual({ ports: [{ port: 443 }] })
  })
})
