import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, onTestFinished, test } from 'vitest'
import { Command, eventually, koiMcp, place } from './koi-mcp.ts'

const ISSUER = 'https://id.example.org'

/** An issuer of tokens, whose keys are at a URL. */
const startIssuer = async () => {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA')
  const keySet = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one' }] })
  const server = createServer((_request, response) => response.end(keySet))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void (server.close(), server.closeAllConnections()))
  const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
  const tokenFor = (scope: string) =>
    new SignJWT({ scope, iss: ISSUER, aud: 'koi-mcp', sub: 'ada' })
      .setProtectedHeader({ alg: 'EdDSA', kid: 'one' })
      .setExpirationTime('1h')
      .sign(privateKey)
  return { jwksUrl, tokenFor }
}

test('a service that takes tokens, and the command line that shows them', async () => {
  const at = await place()
  const { jwksUrl, tokenFor } = await startIssuer()
  await mkdir(join(at.folder, 'files'))
  await writeFile(join(at.folder, 'files', 'a.csv'), 'n\n1\n')
  const config = join(at.folder, 'producer.yaml')
  await writeFile(
    config,
    `node: {port: 0}
persistence: {storage_path: ${at.state}/producer}
security:
  enable_auth: true
  auth_provider: jwt
  auth_config: {issuer: '${ISSUER}', audience: koi-mcp, jwks_url: '${jwksUrl}'}
domains: {data_catalog: {config: {folder: ${join(at.folder, 'files')}}}}
logging: {level: debug}
`,
  )
  const producer = new Command(['run', '--role', 'producer', '--config', config])
  const { url } = await producer.until(() =>
    producer.out
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { msg: string; url: string })
      .find(({ msg }) => msg === 'ready'),
  )
  const [reader, admin] = await Promise.all([tokenFor('knowledge:read'), tokenFor('node:admin')])

  const without = await koiMcp(['rids', '--url', url])
  expect([without.code, without.err.join('\n')]).toEqual([
    1,
    expect.stringContaining(
      `${url} wants a token (HTTP 401): This needs a token: Authorization: Bearer <token>. Put one into the variable KOI_MCP_TOKEN, or give --token.`,
    ),
  ])
  await eventually(async () => {
    const { out } = await koiMcp(['rids', '--url', url, '--token', reader, '--type', 'orn:data-catalog.dataset'])
    return out.join() === 'orn:data-catalog.dataset:files/a.csv' ? true : undefined
  })
  const letters = ['dead-letters', 'list', '--url', url]
  const lacking = await koiMcp([...letters, '--token', reader])
  expect([lacking.code, lacking.err.join('\n')]).toEqual([
    1,
    expect.stringContaining('This needs the permission node:admin, which the token does not give'),
  ])
  expect((await koiMcp([...letters, '--token', admin])).code).toBe(0)
  // Health needs none.
  expect((await koiMcp(['health', '--url', url])).out).toEqual(['ready'])

  const backup = (folder: string, ...args: string[]) =>
    koiMcp(['backup', join(at.folder, folder), '--storage', join(at.state, 'producer'), ...args])
  expect((await backup('refused', '--token', reader)).err.join('\n')).toContain('node:admin')
  expect((await backup('made', '--token', admin)).code).toBe(0)

  const lines = producer.out.join('\n')
  expect(lines).toContain('answered')
  for (const part of [reader, admin].flatMap((token) => token.split('.').slice(1))) expect(lines).not.toContain(part)
})
