import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AuthError } from '../auth/auth-error.ts'
import type { TokenVerifier } from '../auth/auth-manager.ts'
import { RequiredPermissions } from '../auth/required-permissions.ts'
import { NodeCarrier } from '../http/node-carrier.ts'
import { silentLogger } from '../logger.ts'
import { CoordinatorNode } from './coordinator-node.ts'
import { ProducerNode } from './producer-node.ts'
import { SecureCoordinatorNode } from './secure-coordinator-node.ts'
import type { Endpoint } from './secure-coordinator-node.ts'

/** An application's own way of telling who somebody is: the token is the name and what he may. */
const verifier: TokenVerifier = {
  verify(token) {
    if (token === 'later') return Promise.reject(new AuthError('UNAVAILABLE', 'Nobody knows now', { retryAfter: 7 }))
    if (token === 'fault') return Promise.reject(new TypeError('secret of the inside'))
    const [subject = '', ...permissions] = token.split('/')
    if (subject !== 'ada') return Promise.reject(new AuthError('INVALID', 'Nobody of this name is known'))
    return Promise.resolve({ subject, permissions: new Set(permissions), expiresAt: Infinity, isTrusted: () => true })
  },
}

let node: SecureCoordinatorNode
let url: string
let close: () => Promise<unknown>

/** The server of an application: KOI-net as the node carries it, and two endpoints of its own. */
beforeEach(async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  node = new SecureCoordinatorNode({
    name: 'secure',
    baseUrl: `${url}/koi-net`,
    listen: false,
    authConfig: { verifier, serviceToken: 'service', servicePermissions: ['registry:read'] },
  })
  const registry: Endpoint = (request, response) =>
    response.end(JSON.stringify([node.userOf(request)?.subject, node.graph.nodes().length]))
  RequiredPermissions('registry:read')(registry)
  const endpoints: Record<string, Endpoint> = {
    '/registry': node.authorize(registry),
    '/whoami': node.authorize((request, response) => response.end(node.userOf(request)?.subject)),
  }
  const carrier = new NodeCarrier({ node, basePath: '/koi-net', log: silentLogger })
  server.on('request', (request, response) => {
    if (carrier.carry(request, response)) return
    void node.authMiddleware(request, response, () => endpoints[request.url ?? '']?.(request, response))
  })
  await node.start()
  close = () => new Promise((resolve) => (server.close(resolve), server.closeAllConnections()))
})
afterEach(async () => {
  await node.stop()
  await close()
})

const get = async (path: string, authorization?: string) => {
  const response = await fetch(url + path, { headers: authorization === undefined ? {} : { authorization } })
  const { headers } = response
  return [response.status, await response.text(), headers.get('www-authenticate') ?? headers.get('retry-after')]
}

describe('SecureCoordinatorNode', () => {
  it('is a coordinator, whose nodes need no token', async () => {
    expect(node).toBeInstanceOf(CoordinatorNode)
    const producer = new ProducerNode({ name: 'p', baseUrl: 'http://127.0.0.1:0/koi-net', firstContact: node.baseUrl })
    await producer.start()
    await expect.poll(() => node.graph.nodes()).toContain(producer.identity.rid)
    await producer.stop()
  })

  it('lets in who shows a token that gives what the endpoint asks for', async () => {
    expect(await get('/registry', 'Bearer ada/registry:read')).toEqual([200, '["ada",1]', null])
    expect(await get('/registry', 'bearer service')).toEqual([200, '["service",1]', null])
    expect(await get('/whoami', 'Bearer ada')).toEqual([200, 'ada', null])
  })

  it('answers everybody else with what to show, or what is missing', async () => {
    const realm = 'Bearer realm="koi-mcp"'
    const error = (message: string) => JSON.stringify({ error: message })
    const nothing = 'This needs a token: Authorization: Bearer <token>'
    expect(await get('/registry')).toEqual([401, error(nothing), realm])
    expect(await get('/registry', 'Basic YWRhOg==')).toEqual([401, error(nothing), realm])
    const stranger = 'Nobody of this name is known'
    const invalid = `${realm}, error="invalid_token", error_description="${stranger}"`
    expect(await get('/whoami', 'Bearer eve')).toEqual([401, error(stranger), invalid])
    const lacking = 'This needs the permission registry:read, which the token does not give'
    const insufficient = `${realm}, error="insufficient_scope", error_description="${lacking}", scope="registry:read"`
    expect(await get('/registry', 'Bearer ada/other')).toEqual([403, error(lacking), insufficient])
    expect(await get('/registry', 'Bearer later')).toEqual([503, error('Nobody knows now'), '7'])
    expect(await get('/registry', 'Bearer fault')).toEqual([
      503,
      error('The token could not be checked, try again'),
      '1',
    ])
  })

  it('lets nobody in to an endpoint that was not behind the middleware', async () => {
    const server = createServer((request, response) => node.authorize(() => response.end('in'))(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { authorization: 'Bearer ada' } })
    expect(response.status).toBe(401)
    server.close()
  })
})
