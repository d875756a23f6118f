import { createHash, timingSafeEqual } from 'node:crypto'
import { AuthError, bearerToken, checkPermissions } from '@koi-mcp/core'
import type { AuthManager, AuthUser } from '@koi-mcp/core'
import type { SecuritySettings } from '../config/settings.ts'
import { variableOf } from '../config/settings-error.ts'
import { isLocal } from './local-caller.ts'
import type { CallerRequest } from './local-caller.ts'
import type { OpeningSetting } from './open-to.ts'
import { PERMISSIONS } from './permissions.ts'

const EVERYTHING = new Set<string>(PERMISSIONS)
const LOCAL: AuthUser = { subject: 'local', permissions: EVERYTHING }
const SERVICE: AuthUser = { subject: 'service', permissions: EVERYTHING }
const ANYBODY: AuthUser = { subject: 'anybody', permissions: new Set() }

/** What an endpoint asks of its callers. */
export interface Demand {
  readonly permissions: readonly string[]
  /** The setting that opens it to everybody. */
  readonly openedBy?: OpeningSetting | undefined
}

/**
 * Who may call this service's own API and MCP. With a provider of tokens: who shows a good one that gives what the endpoint asks, from wherever. With
 * provider `none`: callers on this machine, and who shows `security.publish_token`.
 */
export class Access {
  readonly #security: SecuritySettings
  readonly #manager: AuthManager | undefined

  constructor(security: SecuritySettings, manager: AuthManager | undefined) {
    this.#security = security
    this.#manager = manager
  }

  /** @throws AuthError that says what to show, or what is missing */
  async admit(request: CallerRequest, { permissions, openedBy }: Demand): Promise<AuthUser> {
    if (openedBy !== undefined && this.#security[openedBy]) return ANYBODY
    const shown = bearerToken(request.headers.authorization)
    if (this.#manager === undefined) return this.#admitWithout(request, shown, openedBy)
    const user = await this.#manager.validateToken(shown ?? '')
    checkPermissions(user, permissions)
    return user
  }

  #admitWithout(request: CallerRequest, shown: string | undefined, openedBy: OpeningSetting | undefined): AuthUser {
    const token = this.#security.publish_token
    if (shown !== undefined && token !== undefined && sameSecret(shown, token)) return SERVICE
    const isHere = isLocal(request)
    if (shown === undefined && isHere) return LOCAL
    if (token !== undefined) {
      const code = shown === undefined ? 'MISSING' : 'INVALID'
      throw new AuthError(code, 'Show the token: Authorization: Bearer <security.publish_token>')
    }
    if (isHere) throw new AuthError('FORBIDDEN', 'This service has no token (security.publish_token): call without one')
    const or = openedBy === undefined ? '' : `, or ${named(`security.${openedBy}`)},`
    throw new AuthError(
      'FORBIDDEN',
      `Only callers on this machine may do this; set ${named('security.publish_token')}${or} to let others in`,
    )
  }
}

/** In a time that says nothing about where they differ. */
function sameSecret(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

function named(path: string): string {
  return `${path} (${variableOf(path)})`
}
