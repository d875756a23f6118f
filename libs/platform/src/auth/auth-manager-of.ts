import { validateSync } from 'class-validator'
import { AuthManager } from '@koi-mcp/core'
import type { Clock, Logger } from '@koi-mcp/core'
import { checkKeys } from '../config/check-auth.ts'
import { readTextFile } from '../config/read-text-file.ts'
import type { SecuritySettings } from '../config/settings.ts'
import { SettingsError } from '../config/settings-error.ts'
import { JwtVerifier } from './jwt-verifier.ts'
import { KeySet } from './key-set.ts'
import { keysOfFile, keysOfIssuer, keysOfUrl } from './key-source.ts'
import type { KeySource } from './key-source.ts'
import { PERMISSIONS } from './permissions.ts'
import { TokenSettings } from './token-settings.ts'

/** The providers of tokens, by their names in `security.auth_provider`. */
export const TOKEN_PROVIDERS = {
  jwt: ({ jwks_file: file, jwks_url: url = '' }: TokenSettings): KeySource =>
    file === undefined ? keysOfUrl(url) : keysOfFile(file),
  oauth: ({ issuer }: TokenSettings): KeySource => keysOfIssuer(issuer),
} as const

export interface TokenVerifierOptions {
  readonly log: Logger
  readonly clock?: Clock | undefined
}

/**
 * What checks the tokens of an issuer, for a service and for an application that embeds a `SecureCoordinatorNode`. It asks for the keys at once.
 * @throws SettingsError with every problem: a check that is not configured would let in anybody
 */
export function createTokenVerifier(
  provider: keyof typeof TOKEN_PROVIDERS,
  config: Partial<TokenSettings> & Pick<TokenSettings, 'issuer' | 'audience'>,
  { log, clock }: TokenVerifierOptions,
): JwtVerifier {
  const settings = Object.assign(new TokenSettings(), config)
  const problems = validateSync(settings).map(({ property, constraints = {} }) => ({
    path: `security.auth_config.${property}`,
    message: Object.values(constraints)[0] ?? 'is not valid',
  }))
  if (problems.length === 0) problems.push(...checkKeys(provider, settings, readTextFile))
  if (problems.length > 0) throw new SettingsError(problems)
  const { issuer, audience, algorithms, permissions_claim: permissionsClaim } = settings
  const keys = new KeySet({ source: TOKEN_PROVIDERS[provider](settings), log })
  void keys.prepare()
  return new JwtVerifier({ keys, issuer, audience: [audience].flat(), algorithms, permissionsClaim, log, clock })
}

/** Who is believed to be whom, by `security`; `undefined` with provider `none`. */
export function authManagerOf(security: SecuritySettings, options: TokenVerifierOptions): AuthManager | undefined {
  const { enable_auth, auth_provider: provider, auth_config, publish_token: serviceToken } = security
  if (!enable_auth || provider === 'none') return undefined
  const verifier = createTokenVerifier(provider, auth_config as unknown as TokenSettings, options)
  return new AuthManager({ verifier, serviceToken, servicePermissions: PERMISSIONS, clock: options.clock })
}
