import { describe, expect, it } from 'vitest'
import { loadSettings } from './load-settings.ts'
import { SettingsError } from './settings-error.ts'

const JWK_SET = JSON.stringify({ keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid: 'one' }] })
const FILES: Readonly<Record<string, string>> = {
  '/jwks': JWK_SET,
  '/private': JSON.stringify({ keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y', d: 'geheim' }] }),
  '/html': '<html>geheim',
}

const load = (security: object, env: Record<string, string> = {}) => {
  const readFile = (path: string) => (path === '/config' ? JSON.stringify({ security }) : FILES[path])
  return loadSettings({ env, configFile: '/config', readFile, domains: [] }).security
}

/** The problems, each after the path and the variable that are common to them. */
const problemsOf = (security: object, env: Record<string, string> = {}): string[] => {
  try {
    load(security, env)
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    const lines = error.message.split('\n').slice(1)
    return lines.map((line) => line.replace(/^ {2}security\.(\S+) \(\S+\)/, '$1'))
  }
  return []
}

const ON = { enable_auth: true, auth_provider: 'jwt' }
const TOKENS = { issuer: 'https://id.example.org', audience: 'koi-mcp' }
const URL_ONE = { jwks_url: 'https://id.example.org/jwks' }
const jwt = (config: object) => problemsOf({ ...ON, auth_config: { ...TOKENS, ...URL_ONE, ...config } })
const oauth = (config: object) => problemsOf({ ...ON, auth_provider: 'oauth', auth_config: { ...TOKENS, ...config } })

const HTTPS =
  'must be an https URL without a password (http on this machine alone): whoever stands between could put in keys. Example: https://id.example.org/jwks'
const ALGORITHMS =
  'must be a list of some of ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512, EdDSA, Ed25519; none and HS256 would let anybody make tokens. Example: ["ES256"]'

describe('a provider of tokens', () => {
  it('is configured by file or variables', () => {
    const env = {
      KOI_MCP_SECURITY__ENABLE_AUTH: 'true',
      KOI_MCP_SECURITY__AUTH_PROVIDER: 'jwt',
      KOI_MCP_SECURITY__AUTH_CONFIG__ISSUER: 'https://id.example.org',
      KOI_MCP_SECURITY__AUTH_CONFIG__AUDIENCE: 'koi-mcp',
      KOI_MCP_SECURITY__AUTH_CONFIG__JWKS_FILE: '/jwks',
      KOI_MCP_SECURITY__AUTH_CONFIG__ALGORITHMS: '["RS512"]',
    }
    const auth_config = { ...TOKENS, jwks_file: '/jwks', algorithms: ['RS512'] }
    expect(load({}, env)).toMatchObject({ ...ON, auth_config })
    expect(jwt({ audience: ['a', 'b'], permissions_claim: 'scp' })).toEqual([])
    expect(jwt({ jwks_url: 'http://127.0.0.1:8080/jwks' })).toEqual([])
    expect(oauth({})).toEqual([])
  })

  it('tells every problem at once, with the field and the fix', () => {
    expect(
      problemsOf({ ...ON, auth_config: { isuer: 'x', algorithms: ['HS256'], jwks_url: 'http://id.example.org' } }),
    ).toEqual([
      'auth_config.isuer is not known, did you mean issuer?',
      'auth_config.issuer must be text: what the tokens have as their iss, to the letter. Example: https://id.example.org',
      'auth_config.audience must be text or a list of texts: what the tokens have as their aud. Example: koi-mcp',
      `auth_config.jwks_url ${HTTPS}`,
      `auth_config.algorithms ${ALGORITHMS}`,
    ])
  })

  it.each([[['none']], [['HS256']], [['ES256', 'HS512']], [['es256']], [[]], ['ES256'], [[1]]])(
    'takes no algorithms that let anybody make tokens: %j',
    (algorithms) => {
      expect(jwt({ algorithms })).toEqual([`auth_config.algorithms ${ALGORITHMS}`])
    },
  )

  it.each(['ftp://x', 'id.example.org', 'http://10.0.0.1/jwks', 'http://localhost.example.org/', 'https://a:b@x/', 1])(
    'takes no keys from %s',
    (jwks_url) => {
      expect(jwt({ jwks_url })).toEqual([`auth_config.jwks_url ${HTTPS}`])
    },
  )

  it('has its keys from one place, which is good', () => {
    const keys = (config: object) => problemsOf({ ...ON, auth_config: { ...TOKENS, ...config } })
    expect(keys({})).toEqual([
      'auth_config.jwks_url is needed when security.auth_provider is jwt, or security.auth_config.jwks_file: the keys that tokens are checked with. Example: https://id.example.org/jwks',
    ])
    expect(keys({ ...URL_ONE, jwks_file: '/jwks' })).toEqual([
      'auth_config.jwks_file is given beside security.auth_config.jwks_url: keep one of them.',
    ])
    expect(keys({ jwks_file: '/none' })).toEqual(['auth_config.jwks_file names a file that does not exist.'])
    expect(keys({ jwks_file: '/html' })).toEqual([
      'auth_config.jwks_file names a file that is no JSON Web Key Set: {"keys": [...]}.',
    ])
    expect(keys({ jwks_file: '/private' })).toEqual([
      'auth_config.jwks_file names a file that holds no public key for signatures (kty EC, OKP, or RSA of 2048 bits).',
    ])
  })

  it('that asks the issuer for the keys needs an issuer that can be asked, and no other place', () => {
    expect(oauth({ issuer: 'koi', jwks_file: '/jwks' })).toEqual([
      'auth_config.jwks_file has no effect with security.auth_provider oauth, which asks the issuer where its keys are: use jwt, or leave it out.',
      'auth_config.issuer must be an https URL (http on this machine alone) with security.auth_provider oauth, which asks there for the keys. Example: https://id.example.org',
    ])
  })
})

describe('a provider that protects nothing is refused:', () => {
  it.each([
    [{ enable_auth: true }, 'auth_provider must be jwt or oauth when security.enable_auth is true. Example: jwt'],
    [
      { auth_provider: 'jwt' },
      'auth_provider has no effect unless security.enable_auth is true: set both, or neither.',
    ],
    [{ auth_provider: 'saml' }, 'auth_provider must be none, jwt or oauth. Example: jwt'],
    [{ enable_auth: 'yes' }, 'enable_auth must be true or false. Example: true'],
    [
      { auth_config: TOKENS },
      'auth_config has no effect unless security.enable_auth is true and security.auth_provider is jwt or oauth.',
    ],
    [
      { ...ON, auth_config: { ...TOKENS, ...URL_ONE }, allow_anonymous_mcp: true },
      'allow_anonymous_mcp must be false when security.enable_auth is true: MCP then takes tokens, from everywhere.',
    ],
  ])('%j', (security, problem) => {
    expect(problemsOf(security)).toContain(problem)
  })
})
