import type { IncomingMessage, ServerResponse } from 'node:http'
import { AuthError } from '../auth/auth-error.ts'
import { AuthManager } from '../auth/auth-manager.ts'
import type { AuthConfig } from '../auth/auth-manager.ts'
import { bearerToken, checkPermissions } from '../auth/auth-user.ts'
import type { AuthUser } from '../auth/auth-user.ts'
import { requiredPermissionsOf } from '../auth/required-permissions.ts'
import { silentLogger } from '../logger.ts'
import type { Logger } from '../logger.ts'
import { CoordinatorNode } from './coordinator-node.ts'
import type { CoordinatorOptions } from './coordinator-node.ts'

export interface SecureCoordinatorOptions extends CoordinatorOptions {
  readonly authConfig: AuthConfig
}

/** An endpoint of the application's own server, on `node:http` or a framework that hands on its requests. */
export type Endpoint<Q extends IncomingMessage = IncomingMessage, S extends ServerResponse = ServerResponse> = (
  request: Q,
  response: S,
) => unknown

/**
 * A coordinator for applications that serve more than KOI-net beside it, such as a registry: `authMiddleware` before all of these endpoints, `authorize`
 * around each. What nodes send each other is not among them: that is signed.
 */
export class SecureCoordinatorNode extends CoordinatorNode {
  readonly authManager: AuthManager
  readonly #users = new WeakMap<IncomingMessage, AuthUser>()
  readonly #log: Logger

  constructor({ authConfig, ...options }: SecureCoordinatorOptions) {
    super(options)
    this.authManager = new AuthManager(authConfig)
    this.#log = options.log ?? silentLogger
  }

  /** Who made a request that has passed `authMiddleware`. */
  userOf(request: IncomingMessage): AuthUser | undefined {
    return this.#users.get(request)
  }

  /** Calls `next` for a request with a good token, and answers any other: 401, or 503 where nobody can say now. Never rejects for a token's sake. */
  readonly authMiddleware = async (
    request: IncomingMessage,
    response: ServerResponse,
    next: () => unknown,
  ): Promise<void> => {
    try {
      this.#users.set(request, await this.authManager.validateToken(bearerToken(request.headers.authorization) ?? ''))
    } catch (error) {
      this.#refuse(error, response)
      return
    }
    await next()
  }

  /** The endpoint for those alone who have what `RequiredPermissions` asks of it: 401 for nobody, 403 with what is missing. */
  authorize<Q extends IncomingMessage, S extends ServerResponse>(endpoint: Endpoint<Q, S>): Endpoint<Q, S> {
    return (request, response) => {
      try {
        const user = this.#users.get(request)
        if (user === undefined) throw new AuthError('MISSING', 'This needs a token: Authorization: Bearer <token>')
        checkPermissions(user, requiredPermissionsOf(endpoint))
      } catch (error) {
        return this.#refuse(error, response)
      }
      return endpoint(request, response)
    }
  }

  #refuse(error: unknown, response: ServerResponse): void {
    const isForeseen = error instanceof AuthError
    if (!isForeseen) this.#log.error('a token could not be checked', { error })
    const { status, message, headers } = isForeseen ? error : UNFORESEEN
    const body = JSON.stringify({ error: message })
    response.writeHead(status, { ...headers, 'content-type': 'application/json' }).end(body)
  }
}

const UNFORESEEN = new AuthError('UNAVAILABLE', 'The token could not be checked, try again')
