import { isKeysUrl } from '../auth/bounded-fetch.ts'
import { readPublicKeys } from '../auth/public-keys.ts'
import type { TokenSettings } from '../auth/token-settings.ts'
import type { SecuritySettings } from './settings.ts'
import type { SettingsProblem } from './settings-error.ts'

/** What the switch, the provider and its configuration need of each other. A provider that is not switched on protects nothing. */
export function checkAuth(security: SecuritySettings): readonly SettingsProblem[] {
  const { enable_auth: isOn, auth_provider: provider, auth_config: config, allow_anonymous_mcp: isOpen } = security
  if (isOn === true && provider === 'none') {
    const message = 'must be jwt or oauth when security.enable_auth is true'
    return [{ path: 'security.auth_provider', message, example: 'jwt' }]
  }
  if (isOn === false && provider !== 'none') {
    const message = `has no effect unless security.enable_auth is true: set both, or neither`
    return [{ path: 'security.auth_provider', message }]
  }
  if (isOn === false && Object.keys(config ?? {}).length > 0) {
    const message = 'has no effect unless security.enable_auth is true and security.auth_provider is jwt or oauth'
    return [{ path: 'security.auth_config', message }]
  }
  if (isOn && isOpen === true) {
    const message = `must be false when security.enable_auth is true: MCP then takes tokens, from everywhere`
    return [{ path: 'security.allow_anonymous_mcp', message }]
  }
  return []
}

/** Where the keys come from: one place, which must be good. `readFile` as in `SettingsSources`. */
export function checkKeys(
  provider: 'jwt' | 'oauth',
  { issuer, jwks_url: url, jwks_file: file }: TokenSettings,
  readFile: (path: string) => string | undefined,
): readonly SettingsProblem[] {
  const path = 'security.auth_config'
  if (provider === 'oauth') {
    const given = Object.entries({ jwks_url: url, jwks_file: file }).filter(([, value]) => value !== undefined)
    const problems = given.map(([name]) => ({
      path: `${path}.${name}`,
      message:
        'has no effect with security.auth_provider oauth, which asks the issuer where its keys are: use jwt, or leave it out',
    }))
    if (typeof issuer !== 'string' || isKeysUrl(issuer)) return problems
    const message =
      'must be an https URL (http on this machine alone) with security.auth_provider oauth, which asks there for the keys'
    return [...problems, { path: `${path}.issuer`, message, example: 'https://id.example.org' }]
  }
  if (url !== undefined && file !== undefined) {
    return [{ path: `${path}.jwks_file`, message: 'is given beside security.auth_config.jwks_url: keep one of them' }]
  }
  if (url === undefined && file === undefined) {
    const message =
      'is needed when security.auth_provider is jwt, or security.auth_config.jwks_file: the keys that tokens are checked with'
    return [{ path: `${path}.jwks_url`, message, example: 'https://id.example.org/jwks' }]
  }
  return typeof file === 'string' ? checkKeyFile(`${path}.jwks_file`, file, readFile) : []
}

function checkKeyFile(path: string, file: string, readFile: (path: string) => string | undefined): SettingsProblem[] {
  try {
    const text = readFile(file)
    if (text === undefined) throw new Error('does not exist')
    readPublicKeys(text)
    return []
  } catch (error) {
    return [{ path, message: `names a file that ${(error as Error).message}` }]
  }
}
