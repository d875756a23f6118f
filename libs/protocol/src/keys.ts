/**
 * Node keys: ECDSA P-256 (koi-net 2.1.0, `koi_net.protocol.secure`). A private key is kept as encrypted PKCS#8 PEM (RFC 5958),
 * which the reference opens, and ours opens the reference's.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

export interface NodeKeys {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export type NodeKeyErrorCode = 'wrong_password' | 'not_encrypted' | 'not_a_key' | 'wrong_curve'

/** A key that cannot be used; the message says what to do. */
export class NodeKeyError extends Error {
  override readonly name = 'NodeKeyError'
  readonly code: NodeKeyErrorCode

  constructor(code: NodeKeyErrorCode, message: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
  }
}

export function generateKeyPair(): NodeKeys {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

/** Encrypted PKCS#8 PEM (PBES2, AES-256-CBC). The password may not be empty: the reference takes none. */
export function privateKeyToPem(privateKey: KeyObject, password: string): string {
  if (password === '') throw new NodeKeyError('wrong_password', 'the key password is empty; set one')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: password })
  return pem.toString()
}

/** @throws NodeKeyError */
export function privateKeyFromPem(pem: string, password: string): KeyObject {
  if (!pem.includes('-----BEGIN'))
    throw new NodeKeyError('not_a_key', 'the key file holds no PEM (expected -----BEGIN ENCRYPTED PRIVATE KEY-----)')
  if (!/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(pem)) {
    if (!/-----BEGIN ([A-Z]+ )?PRIVATE KEY-----/.test(pem))
      throw new NodeKeyError('not_a_key', 'the key file holds no private key')
    throw new NodeKeyError(
      'not_encrypted',
      'the private key is not encrypted; encrypt it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in key.pem -out node.pem',
    )
  }
  const key = openPem(pem, password)
  checkCurve(key)
  return key
}

/** The public half of a private key. */
export function publicKeyOf(privateKey: KeyObject): KeyObject {
  return createPublicKey(privateKey)
}

/** As in a node's profile: base64 of the DER (SubjectPublicKeyInfo, RFC 5480). */
export function publicKeyToDerBase64(publicKey: KeyObject): string {
  return publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
}

/** @throws NodeKeyError */
export function publicKeyFromDerBase64(text: string): KeyObject {
  const der = Buffer.from(text, 'base64')
  // Buffer skips what is not base64; a key has one text only.
  if (der.toString('base64') !== text) throw new NodeKeyError('not_a_key', 'the public key is not base64')
  let key: KeyObject
  try {
    key = createPublicKey({ key: der, type: 'spki', format: 'der' })
  } catch (cause) {
    throw new NodeKeyError('not_a_key', 'the public key is no SubjectPublicKeyInfo', cause)
  }
  checkCurve(key)
  return key
}

function openPem(pem: string, password: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem', passphrase: password })
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    // A wrong password usually fails on the padding, and by chance one time in 256 as nonsense inside.
    if (/BAD_DECRYPT|INTERRUPTED_OR_CANCELLED|MISSING_PASSPHRASE|BAD_PASSWORD/.test(code)) {
      throw new NodeKeyError(
        'wrong_password',
        'the private key does not open with this password; give the one it was made with',
        cause,
      )
    }
    throw new NodeKeyError(
      'not_a_key',
      'the private key cannot be read: the password is wrong or the file is damaged',
      cause,
    )
  }
}

function checkCurve(key: KeyObject): void {
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return
  const found = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? 'something else'
  throw new NodeKeyError('wrong_curve', `the key must be ECDSA P-256 (prime256v1), is ${found}`)
}
