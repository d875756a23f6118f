import type { JWTPayload } from 'jose'

/** Whom a token is about: its subject, or for a client without one the client. */
export function subjectOf({ sub, client_id }: JWTPayload): string {
  return sub ?? (typeof client_id === 'string' ? client_id : 'unknown')
}

/**
 * The permissions in a token: of the claim named (whole, else as a path: `realm_access.roles`); without a name `permissions`, or where that is not there
 * `scope`. A list of texts, or a text with spaces between (RFC 8693, section 4.2); anything else gives none.
 */
export function permissionsOf(payload: JWTPayload, claim: string | undefined): ReadonlySet<string> {
  const value = claim === undefined ? (payload['permissions'] ?? payload['scope']) : claimAt(payload, claim)
  const given: readonly unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : []
  return new Set(given.filter((name): name is string => typeof name === 'string' && name !== ''))
}

function claimAt(payload: JWTPayload, claim: string): unknown {
  if (Object.hasOwn(payload, claim)) return payload[claim]
  return claim.split('.').reduce<unknown>((value, key) => {
    const isThere = typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    return isThere ? (value as Record<string, unknown>)[key] : undefined
  }, payload)
}
