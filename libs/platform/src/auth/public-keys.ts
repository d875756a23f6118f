import type { JWK } from 'jose'

const MAX_KEYS = 100
/** 2048 bits in base64url, less a leading zero byte that some write: RSA below that is refused (RFC 7518, section 3.3). */
const LEAST_RSA_MODULUS = 340

/**
 * The keys of a JSON Web Key Set (RFC 7517, section 5) that may verify signatures: public, asymmetric, not for encryption, and not too short. A private key
 * that somebody shows to all is no key any more.
 * @throws Error that says what is wrong with the text, without any of it
 */
export function readPublicKeys(text: string): readonly JWK[] {
  const keys = keysIn(text)
  if (keys === undefined) throw new Error('is no JSON Web Key Set: {"keys": [...]}')
  const good = keys.filter(isVerifying)
  if (good.length === 0) throw new Error('holds no public key for signatures (kty EC, OKP, or RSA of 2048 bits)')
  if (good.length > MAX_KEYS) throw new Error(`holds more than ${MAX_KEYS} keys`)
  return good
}

function keysIn(text: string): readonly unknown[] | undefined {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown }
    return Array.isArray(keys) ? keys : undefined
  } catch {
    return undefined
  }
}

function isVerifying(key: unknown): key is JWK {
  if (typeof key !== 'object' || key === null) return false
  const { kty, d, use, n } = key as JWK
  if (d !== undefined || use === 'enc') return false
  return kty === 'RSA' ? typeof n === 'string' && n.length >= LEAST_RSA_MODULUS : kty === 'EC' || kty === 'OKP'
}
