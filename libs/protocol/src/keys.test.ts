import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import { vectors } from '../test/vectors.ts'
import {
  generateKeyPair,
  privateKeyFromPem,
  privateKeyToPem,
  publicKeyFromDerBase64,
  publicKeyOf,
  publicKeyToDerBase64,
} from './keys.ts'

const keys = generateKeyPair()
const pem = privateKeyToPem(keys.privateKey, 'pässword 鍵')
const other = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const plain = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString()
const encrypted = (key: KeyObject) =>
  key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' }).toString()

describe('private keys', () => {
  it('are kept encrypted and opened again [KEY-1]', () => {
    expect(pem).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/)
    expect(privateKeyFromPem(pem, 'pässword 鍵').equals(keys.privateKey)).toBe(true)
  })

  it('of the reference are opened [KEY-1]', () => {
    const made = vectors<{ pem: string; password: string; public_key: string }>('keys')
    expect(publicKeyToDerBase64(publicKeyOf(privateKeyFromPem(made.pem, made.password)))).toBe(made.public_key)
  })

  it.each([
    [plain(keys.privateKey), 'p', 'not_encrypted', /is not encrypted; encrypt it: openssl/],
    [encrypted(other.privateKey), 'p', 'wrong_curve', /must be ECDSA P-256 \(prime256v1\), is secp384r1/],
    ['nothing', 'p', 'not_a_key', /holds no PEM/],
    ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', 'p', 'not_a_key', /holds no private key/],
    [
      '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----',
      'p',
      'not_a_key',
      /the file is damaged/,
    ],
  ])('that cannot be used say what to do: %#', (text, password, code, message) => {
    expect(() => privateKeyFromPem(text, password)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) as string }) as Error,
    )
  })

  it('tell a wrong password, also an empty one', () => {
    for (const password of ['', 'wrong', 'x'.repeat(2000)]) {
      expect(() => privateKeyFromPem(pem, password)).toThrow(/password/)
    }
    expect(() => privateKeyToPem(keys.privateKey, '')).toThrow('the key password is empty; set one')
  })
})

describe('public keys', () => {
  it('travel as base64 of their DER [KEY-2]', () => {
    const text = publicKeyToDerBase64(keys.publicKey)
    expect(text).toMatch(/^MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/)
    expect(publicKeyFromDerBase64(text).equals(keys.publicKey)).toBe(true)
  })

  it.each([
    [other.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'), 'wrong_curve'],
    [
      generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
      'wrong_curve',
    ],
    [`${publicKeyToDerBase64(keys.publicKey)}\n`, 'not_a_key'],
    ['AAAA', 'not_a_key'],
    ['', 'not_a_key'],
  ])('that are not P-256 are refused: %# [KEY-2]', (text, code) => {
    expect(() => publicKeyFromDerBase64(text)).toThrow(expect.objectContaining({ code }) as Error)
  })
})
