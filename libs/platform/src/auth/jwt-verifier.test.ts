import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { SignJWT, UnsecuredJWT } from 'jose'
import type { JWTPayload } from 'jose'
import { AuthManager, silentLogger } from '@koi-mcp/core'
import { AUDIENCE, ISSUER, refusalOf, TokenIssuer } from '../../test/token-issuer.ts'
import { createTokenVerifier } from './auth-manager-of.ts'
import type { TokenSettings } from './token-settings.ts'

let issuer: TokenIssuer
beforeAll(async () => {
  issuer = await TokenIssuer.start()
  await Promise.all([
    issuer.makeKey('one'),
    issuer.makeKey('rsa', 'RS256'),
    issuer.makeKey('pss', 'PS256'),
    issuer.makeKey('ed', 'EdDSA'),
    issuer.makeKey('p384', 'ES384'),
    issuer.makeKey('stranger'),
  ])
  issuer.show('one', 'rsa', 'pss', 'ed', 'p384')
})
afterAll(() => issuer.leave())

const managerOf = (config: Partial<TokenSettings> = {}, clock?: () => number) =>
  new AuthManager({
    verifier: createTokenVerifier(
      'jwt',
      { issuer: ISSUER, audience: AUDIENCE, jwks_url: issuer.jwksUrl, ...config },
      { log: silentLogger, clock },
    ),
    ...(clock && { clock }),
  })

const permissionsIn = async (claims: JWTPayload, config: Partial<TokenSettings> = {}) => [
  ...(await managerOf(config).validateToken(await issuer.token(claims))).permissions,
]

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('a good token', () => {
  it.each(['one', 'rsa', 'pss', 'ed'])('of the key %s tells its subject and permissions', async (kid) => {
    const user = await managerOf().validateToken(await issuer.token({ permissions: ['knowledge:read'] }, { kid }))
    expect(user).toMatchObject({ subject: 'ada', permissions: new Set(['knowledge:read']) })
  })

  it('has its permissions in permissions, else in scope, else where the configuration says', async () => {
    expect(await permissionsIn({ permissions: ['a'], scope: 'b c' })).toEqual(['a'])
    expect(await permissionsIn({ scope: 'b  c' })).toEqual(['b', 'c'])
    expect(await permissionsIn({})).toEqual([])
    expect(await permissionsIn({ permissions: { a: 1 } })).toEqual([])
    expect(await permissionsIn({ permissions: ['a', 1, null, ''] })).toEqual(['a'])
    const realm_access = { roles: ['d'] }
    expect(await permissionsIn({ realm_access }, { permissions_claim: 'realm_access.roles' })).toEqual(['d'])
    const named = { 'https://x.example/roles': ['e'] }
    expect(await permissionsIn(named, { permissions_claim: 'https://x.example/roles' })).toEqual(['e'])
    expect(await permissionsIn({ permissions: ['a'] }, { permissions_claim: 'constructor.name' })).toEqual([])
  })

  it('may be for several audiences, and the service may have several', async () => {
    const token = await issuer.token({ aud: ['other', 'two'] })
    const config = { audience: ['two', AUDIENCE] }
    expect(await managerOf(config).validateToken(token)).toMatchObject({ subject: 'ada' })
  })

  it('is asked for no more than once, whoever is away', async () => {
    const manager = managerOf()
    const token = await issuer.token()
    const first = await manager.validateToken(token)
    expect(await manager.validateToken(token)).toBe(first)
  })

  it('is good until it ends, and not a moment longer', async () => {
    let now = Date.now()
    const manager = managerOf({}, () => now)
    const token = await issuer.token({ exp: Math.floor(now / 1000) + 60 })
    expect(await manager.validateToken(token)).toMatchObject({ subject: 'ada' })
    now += 66_000
    expect(await refusalOf(manager.validateToken(token))).toEqual([401, 'The token has expired (exp)'])
  })
})

const now = Math.floor(Date.now() / 1000)
const UNREADABLE = 'The token is no JSON Web Token that can be read'
const OTHER_WAY = 'The token is signed in a way that is not taken here; taken are ES256, RS256, EdDSA, PS256'
const SIGNATURE = 'The signature of the token is not right'
const PUBLIC_KEY = () => (JSON.parse(issuer.keySet) as { keys: object[] }).keys[1]!

const hs256 = (secret: string | Buffer) => {
  const head = `${encoded({ alg: 'HS256', kid: 'rsa' })}.${encoded({ iss: ISSUER, aud: AUDIENCE, exp: now + 60 })}`
  return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`
}

const BAD: readonly (readonly [what: string, token: () => Promise<string> | string, says: string])[] = [
  ['nothing', () => '', 'This needs a token: Authorization: Bearer <token>'],
  ['garbage', () => 'garbage', UNREADABLE],
  ['three parts of garbage', () => 'a.b.c', UNREADABLE],
  ['an encrypted one', () => `${encoded({ alg: 'dir', enc: 'A256GCM' })}..a.b.c`, UNREADABLE],
  ['a list as its payload', () => issuer.sign('[]'), UNREADABLE],
  [
    'one without a signature (none)',
    () => new UnsecuredJWT({ sub: 'ada' }).setIssuer(ISSUER).setAudience(AUDIENCE).setExpirationTime('1m').encode(),
    OTHER_WAY,
  ],
  [
    'one that says none and is signed',
    () => `${encoded({ alg: 'none', kid: 'one' })}.${encoded({ iss: ISSUER })}.AAAA`,
    OTHER_WAY,
  ],
  ['the public key as the secret of HS256', () => hs256(JSON.stringify(PUBLIC_KEY())), OTHER_WAY],
  ['an algorithm that is not configured', () => issuer.token({}, { kid: 'p384' }), OTHER_WAY],
  [
    'an extension that must be understood',
    () => `${encoded({ alg: 'ES256', kid: 'one', crit: ['x'], x: 1 })}.${encoded({})}.AAAA`,
    OTHER_WAY,
  ],
  ['one that has expired', () => issuer.token({ exp: now - 10 }), 'The token has expired (exp)'],
  ['one without an end', () => issuer.token({ exp: undefined }), 'The token has no time at which it ends (exp)'],
  [
    'one that is not valid yet',
    () => issuer.token({ nbf: now + 60 }),
    'The token is not valid yet (nbf); are the clocks right?',
  ],
  [
    'another issuer',
    () => issuer.token({ iss: 'https://evil.example' }),
    'The token is of another issuer (iss) than the one trusted here',
  ],
  [
    'no issuer',
    () => issuer.token({ iss: undefined }),
    'The token is of another issuer (iss) than the one trusted here',
  ],
  [
    'another audience',
    () => issuer.token({ aud: 'another' }),
    'The token is for another audience (aud) than this service',
  ],
  ['no audience', () => issuer.token({ aud: undefined }), 'The token is for another audience (aud) than this service'],
  [
    'a key of a stranger',
    () => issuer.token({}, { kid: 'stranger' }),
    'The token is signed with a key that its issuer does not show',
  ],
  [
    'the name of a key, signed with another',
    () => issuer.token({}, { kid: 'stranger', header: { kid: 'one' } }),
    SIGNATURE,
  ],
  [
    'a key that it brings itself',
    async () => issuer.token({}, { kid: 'stranger', header: { jwk: (await issuer.makeKey('own')).jwk, kid: 'one' } }),
    SIGNATURE,
  ],
  ['a signature cut short', async () => (await issuer.token()).slice(0, -8), SIGNATURE],
  ['another payload', async () => (await issuer.token()).replace(/\..*\./, `.${encoded({ sub: 'root' })}.`), SIGNATURE],
  ['8 KiB and more', () => issuer.token({ sub: 'x'.repeat(8192) }), 'The token is longer than 8192 characters'],
]

describe('a bad token is refused, with what is wrong with it:', () => {
  it.each(BAD)('%s', async (_what, token, says) => {
    const shown = await token()
    const manager = managerOf()
    expect(await refusalOf(manager.validateToken(shown))).toEqual([401, says])
    expect(manager.remembered).toBe(0)
  })

  it('and leaves nothing behind, however many there are', async () => {
    const manager = managerOf()
    const good = await issuer.token()
    await manager.validateToken(good)
    const many = await Promise.all(
      Array.from({ length: 300 }, (_, n) =>
        refusalOf(manager.validateToken(`${good.slice(0, -6)}${String(n).padStart(6, 'A')}`)),
      ),
    )
    expect(new Set(many.map(String))).toEqual(new Set([`401,${SIGNATURE}`]))
    expect(manager.remembered).toBe(1)
  })
})

describe('what is remembered', () => {
  it('is bounded: the one that was shown longest ago goes', async () => {
    let verified = 0
    const verifier = createTokenVerifier(
      'jwt',
      { issuer: ISSUER, audience: AUDIENCE, jwks_url: issuer.jwksUrl },
      { log: silentLogger },
    )
    const counting = { verify: (token: string) => (verified++, verifier.verify(token)) }
    const manager = new AuthManager({ verifier: counting, cacheSize: 3 })
    const tokens = await Promise.all([1, 2, 3, 4].map((n) => issuer.token({ sub: `user ${n}` })))
    const [first, second, ...others] = tokens as [string, string, ...string[]]
    for (const token of [first, second, first, ...others]) await manager.validateToken(token)
    expect([verified, manager.remembered]).toEqual([4, 3])
    await manager.validateToken(first)
    expect(verified).toBe(4)
    await manager.validateToken(second)
    expect(verified).toBe(5)
  })
})

describe('a check that is not whole', () => {
  it.each<[string, Partial<TokenSettings>]>([
    ['issuer', { issuer: undefined as never }],
    ['audience', { audience: [] }],
    ['algorithms', { algorithms: ['HS256'] }],
    ['jwks_url', { jwks_url: undefined as never }],
    ['jwks_file', { jwks_url: undefined as never, jwks_file: '/dev/null/none' }],
  ])('is refused, for it would let in anybody: %s', (name, config) => {
    expect(() => managerOf(config)).toThrow(new RegExp(`security\\.auth_config\\.${name} .* (must|is needed|names)`))
  })
})

describe('keys of the issuer', () => {
  it('that are private, symmetric, short, or for encryption verify nothing', async () => {
    const other = await TokenIssuer.start()
    onTestFinished(() => other.leave())
    const { jwk, privateKey } = await other.makeKey('one')
    const { kid: _kid, ...nameless } = jwk
    const secret = Buffer.alloc(32, 1).toString('base64url')
    const of = (token: string) => refusalOf(managerOf({ jwks_url: other.jwksUrl }).validateToken(token))
    other.showKeys({ ...jwk, d: secret }, { kty: 'oct', k: secret, kid: 'one' }, { ...jwk, use: 'enc' }, nameless)
    expect(await of(await other.token())).toEqual([401, 'The token is signed with a key that its issuer does not show'])
    const unnamed = await new SignJWT({ sub: 'ada', iss: ISSUER, aud: AUDIENCE, exp: now + 60 })
      .setProtectedHeader({ alg: 'ES256' })
      .sign(privateKey)
    expect(await of(unnamed)).toMatchObject({ subject: 'ada' })
    other.showKeys(nameless, (await other.makeKey('two')).jwk)
    expect(await of(unnamed)).toEqual([401, 'The token does not say which key of its issuer it is signed with (kid)'])
  })

  it('that cannot be used are no fault of the token', async () => {
    const other = await TokenIssuer.start()
    onTestFinished(() => other.leave())
    const { jwk } = await other.makeKey('one')
    other.showKeys({ ...jwk, x: jwk.y!, y: jwk.x! }, (await other.makeKey('two')).jwk)
    const manager = managerOf({ jwks_url: other.jwksUrl })
    await other.makeKey('one')
    expect(await refusalOf(manager.validateToken(await other.token()))).toEqual([
      503,
      'The token could not be checked, try again',
    ])
    expect(await manager.validateToken(await other.token({}, { kid: 'two' }))).toMatchObject({ subject: 'ada' })
  })
})
