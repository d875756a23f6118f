import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { AuthManager } from '@koi-mcp/core'
import type { Logger } from '@koi-mcp/core'
import { AUDIENCE, ISSUER, refusalOf, TokenIssuer } from '../../test/token-issuer.ts'
import { JwtVerifier } from './jwt-verifier.ts'
import { KeySet } from './key-set.ts'
import { keysOfFile, keysOfIssuer, keysOfUrl } from './key-source.ts'
import type { KeySource } from './key-source.ts'

const AWAY = [503, 'The keys of the issuer of tokens cannot be had now, try again']
const UNKNOWN = [401, 'The token is signed with a key that its issuer does not show']
const BOUNDS = { timeoutMs: 300, maxBytes: 10_000 }
const ADA = expect.objectContaining({ subject: 'ada' }) as unknown

let issuer: TokenIssuer
let now: number
let said: [string, unknown][]

beforeEach(async () => {
  now = 0
  said = []
  issuer = await TokenIssuer.start()
  for (const kid of ['one', 'two']) await issuer.makeKey(kid)
  issuer.show('one')
})
afterEach(async () => issuer.leave())

const note = (message: string, fields?: object) => void said.push([message, fields])
const log: Logger = { debug: note, info: note, warn: note, error: note }

const managerOf = (source: KeySource = keysOfUrl(issuer.jwksUrl, BOUNDS)) => {
  const keys = new KeySet({ source, log, clock: () => now })
  const algorithms = ['ES256']
  const verifier = new JwtVerifier({ keys, issuer: ISSUER, audience: [AUDIENCE], algorithms, log })
  return new AuthManager({ verifier })
}

describe('keys that are rotated', () => {
  it('are found at the first token that needs them', async () => {
    const manager = managerOf()
    const by = async (kid: string) => refusalOf(manager.validateToken(await issuer.token({}, { kid })))
    expect([await by('one'), await by('two'), issuer.asked]).toEqual([ADA, UNKNOWN, 2])
    issuer.show('one', 'two')
    // Whoever shows keys that are not there makes nobody ask all the time.
    expect([await by('two'), issuer.asked]).toEqual([UNKNOWN, 2])
    now += 10_000
    expect([await by('two'), issuer.asked]).toEqual([ADA, 3])
  })

  it('leave with the tokens they signed, once the keys were asked for again', async () => {
    const manager = managerOf()
    const old = await issuer.token()
    expect(await manager.validateToken(old)).toEqual(ADA)
    issuer.show('two')
    now += 299_999
    expect(await manager.validateToken(old)).toEqual(ADA)
    now += 1
    await manager.validateToken(old)
    await expect.poll(() => refusalOf(manager.validateToken(old))).toEqual(UNKNOWN)
    expect(await manager.validateToken(await issuer.token({}, { kid: 'two' }))).toEqual(ADA)
  })

  it('are asked for once by all who wait', async () => {
    const manager = managerOf()
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, n) => issuer.token({ sub: `user ${n}` })))
    await Promise.all(tokens.map((token) => manager.validateToken(token)))
    expect(issuer.asked).toBe(1)
  })
})

describe('the server of keys away', () => {
  it('lets go on who was verified, and makes others come again', async () => {
    const manager = managerOf()
    const known = await issuer.token()
    await manager.validateToken(known)
    await issuer.leave()
    const other = await issuer.token({ sub: 'ada', jti: '2' })
    const unseen = await issuer.token({}, { kid: 'two' })
    // The keys are at hand for a while.
    expect(await refusalOf(manager.validateToken(other))).toEqual(ADA)
    expect(await refusalOf(manager.validateToken(unseen))).toEqual(AWAY)
    now += 600_000
    expect(await refusalOf(manager.validateToken(known))).toEqual(ADA)
    const late = await issuer.token({ jti: '3' })
    await expect(manager.validateToken(late)).rejects.toMatchObject({ status: 503, headers: { 'retry-after': '5' } })
    await issuer.back()
    issuer.show('one', 'two')
    expect(await refusalOf(manager.validateToken(late))).toEqual(AWAY)
    now += 5_000
    expect(await refusalOf(manager.validateToken(late))).toEqual(ADA)
    expect(await refusalOf(manager.validateToken(unseen))).toEqual(ADA)
    expect(said.map(([message]) => message)).toEqual([
      'the keys of the issuer cannot be had',
      'the keys of the issuer are there again',
    ])
  })

  it.each<[string, TokenIssuer['answer'], RegExp]>([
    ['answers an error', (response) => response.writeHead(500).end('secret'), /answered HTTP 500$/],
    [
      'sends elsewhere',
      (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      /answered HTTP 302: redirects are not followed$/,
    ],
    [
      'never ends',
      (response) => {
        const more = () => response.write(' '.repeat(1000), () => response.closed || setImmediate(more))
        more()
      },
      /answered more than 10000 bytes$/,
    ],
    ['says nothing', () => undefined, /timeout/],
    ['begins and says no more', (response) => response.writeHead(200).write('{"keys":['), /timeout/],
    ['breaks off', (response) => void (response.write('{'), response.destroy()), /fetch failed|terminated/],
    ['answers a page', (response) => response.end('<html>'), /is no JSON Web Key Set/],
    ['answers no keys', (response) => response.end('{"keys":[]}'), /holds no public key/],
    ['answers null', (response) => response.end('null'), /is no JSON Web Key Set/],
    ['answers keys that are none', (response) => response.end('{"keys":[1,null,"x",{}]}'), /holds no public key/],
  ])('one that %s is as good as away', async (_what, answer, why) => {
    issuer.answer = answer
    const manager = managerOf()
    expect(await refusalOf(manager.validateToken(await issuer.token()))).toEqual(AWAY)
    expect(said).toEqual([['the keys of the issuer cannot be had', { why: expect.stringMatching(why) as string }]])
    issuer.answer = undefined
    now += 5_000
    expect(await refusalOf(manager.validateToken(await issuer.token()))).toEqual(ADA)
  })

  it('is asked no more often however many callers there are', async () => {
    issuer.answer = (response) => response.writeHead(500).end()
    const manager = managerOf()
    const tokens = await Promise.all([1, 2, 3, 4, 5].map((n) => issuer.token({ jti: String(n) })))
    for (const token of tokens) expect(await refusalOf(manager.validateToken(token))).toEqual(AWAY)
    expect(issuer.asked).toBe(1)
  })
})

describe('keys in a file', () => {
  it('are read anew when a token needs others', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'koi-keys-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'jwks.json')
    await writeFile(path, issuer.keySet)
    const manager = managerOf(keysOfFile(path))
    expect(await manager.validateToken(await issuer.token())).toEqual(ADA)
    issuer.show('two')
    await writeFile(path, issuer.keySet)
    expect(await manager.validateToken(await issuer.token({}, { kid: 'two' }))).toEqual(ADA)
    await rm(path)
    now += 600_000
    expect(await refusalOf(manager.validateToken(await issuer.token({ jti: '2' }, { kid: 'two' })))).toEqual(AWAY)
  })
})

describe('keys of an issuer that says where they are', () => {
  it('are found through its metadata', async () => {
    const manager = managerOf(keysOfIssuer(issuer.url, BOUNDS))
    expect(await manager.validateToken(await issuer.token())).toEqual(ADA)
  })

  it.each([
    [
      'of another issuer',
      { issuer: 'https://evil.example', jwks_uri: 'https://evil.example/jwks' },
      /is of another issuer/,
    ],
    ['without keys', { issuer: 'here' }, /names no https URL as its jwks_uri/],
    ['with keys over plain HTTP', { issuer: 'here', jwks_uri: 'http://10.0.0.1/jwks' }, /names no https URL/],
    ['that is no object', null, /answered no JSON object/],
  ])('are not taken from metadata %s', async (_what, metadata, why) => {
    issuer.metadata = (metadata && JSON.parse(JSON.stringify(metadata).replace('"here"', `"${issuer.url}"`))) as object
    const manager = managerOf(keysOfIssuer(issuer.url, BOUNDS))
    expect(await refusalOf(manager.validateToken(await issuer.token()))).toEqual(AWAY)
    expect(said[0]?.[1]).toEqual({ why: expect.stringMatching(why) as string })
  })
})
