import { createHash, timingSafeEqual } from 'node:crypto'
import { AuthError, bearerToken, checkPermissions } from '@koi-mcp/core'
import type { AuthManager, AuthUser } from '@koi-mcp/core'
import type { SecuritySettings } from '../config/settings.ts'
import { variableOf } from '../config/settings-error.ts'
import type { Role, Service } from '../service/service.ts'
import { isLocal } from './local-caller.ts'
import type { CallerRequest } from './local-caller.ts'
import type { OpeningSetting } from './open-to.ts'
import { PERMISSIONS } from './permissions.ts'

const EVERYTHING = new Set<string>(PERMISSIONS)
const LOCAL: AuthUser = { subject: 'local', permissions: EVERYTHING }
const SERVICE: AuthUser = { subject: 'service', permissions: EVERYTHING }
const ANYBODY: AuthUser = { subject: 'anybody', permissions: new Set() }

/** In the consumer, what lets callers in to MCP alone. */
const MCP_ALONE = `, or ${named('security.allow_anonymous_mcp')} for MCP alone`

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
  readonly #role: Role
  readonly #users = new WeakMap<object, AuthUser>()

  constructor({ settings, role }: Pick<Service, 'settings' | 'role'>, manager: AuthManager | undefined) {
    this.#security = settings.security
    this.#manager = manager
    this.#role = role
  }

  /** Before the body of a request is read: no stranger fills the memory. @throws AuthError */
  async admitBody(request: CallerRequest): Promise<void> {
    // Where a setting opens one endpoint, only the guard knows which.
    if (!this.#security.allow_anonymous_mcp) await this.#userOf(request)
  }

  /** @throws AuthError that says what to show, or what is missing */
  async admit(request: CallerRequest, { permissions, openedBy }: Demand): Promise<AuthUser> {
    if (openedBy !== undefined && this.#security[openedBy]) return ANYBODY
    const user = await this.#userOf(request)
    // Without tokens of users, who is let in may do everything.
    if (this.#manager !== undefined) checkPermissions(user, permissions)
    return user
  }

  /** Who was let in with a request; `undefined` where a setting lets everybody in. */
  callerOf(request: CallerRequest): AuthUser | undefined {
    return this.#users.get(request)
  }

  async #userOf(request: CallerRequest): Promise<AuthUser> {
    const known = this.#users.get(request)
    if (known !== undefined) return known
    const shown = bearerToken(request.headers.authorization)
    const user =
      this.#manager === undefined ? this.#without(request, shown) : await this.#manager.validateToken(shown ?? '')
    this.#users.set(request, user)
    return user
  }

  /** With provider `none`. */
  #without(request: CallerRequest, shown: string | undefined): AuthUser {
    const token = this.#security.publish_token
    if (shown !== undefined && token !== undefined && sameSecret(shown, token)) return SERVICE
    const isHere = isLocal(request)
    if (shown === undefined && isHere) return LOCAL
    if (token !== undefined) {
      const code = shown === undefined ? 'MISSING' : 'INVALID'
      throw new AuthError(code, 'Show the token: Authorization: Bearer <security.publish_token>')
    }
    if (isHere) throw new AuthError('FORBIDDEN', 'This service has no token (security.publish_token): call without one')
    const or = this.#role === 'consumer' ? MCP_ALONE : ''
    throw new AuthError(
      'FORBIDDEN',
      `Only callers on this machine may do this; set ${named('security.publish_token')} to let others in${or}`,
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
