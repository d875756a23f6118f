import { AuthError } from './auth-error.ts'

/** Who calls, as far as is known. */
export interface AuthUser {
  /** The `sub` of the token, or what stands for it. */
  readonly subject: string
  readonly permissions: ReadonlySet<string>
  /** Milliseconds since the Unix epoch at which the token ends; absent, it does not. */
  readonly expiresAt?: number | undefined
}

/** @throws AuthError 403 that names what the user lacks */
export function checkPermissions({ permissions }: AuthUser, required: readonly string[]): void {
  const missing = required.filter((name) => !permissions.has(name))
  if (missing.length === 0) return
  const what = missing.length === 1 ? 'the permission' : 'the permissions'
  throw new AuthError('FORBIDDEN', `This needs ${what} ${missing.join(', ')}, which the token does not give`, {
    missing,
  })
}

/** The token of an `Authorization` header: the scheme is `Bearer`, in any case (RFC 6750, section 2.1). `undefined` for any other. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^bearer +(\S.*)$/is.exec(header ?? '')?.[1]?.trimEnd()
}
