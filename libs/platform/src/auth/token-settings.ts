import { IsOptional } from 'class-validator'
import { Must, Setting } from '../config/setting.ts'
import { isKeysUrl } from './bounded-fetch.ts'

/** Asymmetric ones alone: with a symmetric one, whoever can check a token can make one. */
const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA', 'Ed25519']
const DEFAULT_ALGORITHMS = ['ES256', 'RS256', 'EdDSA', 'PS256']

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.length > 0 && value.every(isText)
const areAlgorithms = (value: unknown): boolean =>
  isTexts(value) && (value as string[]).every((name) => ALGORITHMS.includes(name))

/** What `security.auth_config` holds for the providers `jwt` and `oauth`. */
export class TokenSettings {
  /** The `iss` of tokens, to the letter. */
  @Setting('text', 'https://id.example.org')
  @Must('be text: what the tokens have as their iss, to the letter', isText)
  issuer!: string

  /** The `aud` of tokens for this service, or a list of which one must be there: a token for another service is none for this one. */
  @Setting('text', 'koi-mcp')
  @Must('be text or a list of texts: what the tokens have as their aud', (value) => isText(value) || isTexts(value))
  audience!: string | readonly string[]

  @Setting('text', 'https://id.example.org/jwks')
  @IsOptional()
  @Must(
    'be an https URL without a password (http on this machine alone): whoever stands between could put in keys',
    isKeysUrl,
  )
  jwks_url?: string

  @Setting('text', '/run/secrets/jwks.json')
  @IsOptional()
  @Must('be the path of a file', isText)
  jwks_file?: string

  @Setting('object', '["ES256"]')
  @Must(`be a list of some of ${ALGORITHMS.join(', ')}; none and HS256 would let anybody make tokens`, areAlgorithms)
  algorithms: readonly string[] = DEFAULT_ALGORITHMS

  /** Where the permissions stand, such as `realm_access.roles`; by default `permissions`, else `scope`. */
  @Setting('text', 'permissions')
  @IsOptional()
  @Must('be the name of a claim', isText)
  permissions_claim?: string
}
