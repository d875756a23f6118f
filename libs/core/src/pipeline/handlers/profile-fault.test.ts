import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { contentsOf, nodeProfileContents, nodeRid } from '@koi-mcp/protocol'
import { testIdentity } from '../../../test/peers.ts'
import { profileFault } from './profile-fault.ts'

const other = testIdentity('other', 'http://other.example/koi-net', ['orn:notes.note'])
const us = (baseUrl: string) => testIdentity('us', baseUrl)
const claiming = (base_url: string) => nodeProfileContents({ ...other.profile, base_url })

describe('a profile that names our own address', () => {
  it.each([
    ['http://koi.example/koi-net', 'http://koi.example/koi-net'],
    ['http://koi.example/koi-net', 'http://koi.example/koi-net//'],
    ['http://koi.example/koi-net', 'HTTP://KOI.example:80/a/../koi-net'],
    ['http://koi.example/koi-net', 'http://koi.example./koi-net'],
    ['https://koi.example:443', 'https://koi.example/'],
    ['http://localhost:9000/koi-net', 'http://127.0.0.1:9000/koi-net'],
    ['http://127.0.0.1:9000/koi-net', 'http://LocalHost:9000/koi-net/'],
    ['http://127.0.0.1:9000/koi-net', 'http://[::1]:9000/koi-net'],
    ['http://[::1]:9000/koi-net', 'http://[::ffff:127.0.0.1]:9000/koi-net'],
    ['http://localhost:9000/koi-net', 'http://127.9.9.9:9000/koi-net'],
  ])('%s, spelt %s, is refused', (own, claimed) => {
    expect(profileFault(other.rid, claiming(claimed), us(own))).toBe(`claims this node's base_url ${own}`)
  })

  it.each([
    ['http://koi.example/koi-net', 'http://koi.example:8080/koi-net'],
    ['http://koi.example/koi-net', 'https://koi.example/koi-net'],
    ['http://koi.example/koi-net', 'http://koi.example/koi-net/two'],
    ['http://koi.example/koi-net', 'http://koi.example/KOI-net'],
    ['http://koi.example/koi-net', 'http://two.koi.example/koi-net'],
    ['http://localhost:9000/koi-net', 'http://localhost:9001/koi-net'],
  ])('of %s, %s is another', (own, claimed) => {
    expect(profileFault(other.rid, claiming(claimed), us(own))).toBeUndefined()
  })

  it('may be our own', () => {
    const node = us('http://koi.example/koi-net')
    expect(profileFault(node.rid, nodeProfileContents(node.profile), node)).toBeUndefined()
  })
})

it('refuses a key of another curve or kind, though its RID is made of it', () => {
  const node = us('http://koi.example/koi-net')
  const keys = [
    generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey,
    generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey,
    generateKeyPairSync('ed25519').publicKey,
  ].map((key) => key.export({ type: 'spki', format: 'der' }).toString('base64'))
  for (const public_key of [...keys, 'bm8ga2V5']) {
    const contents = nodeProfileContents({ ...other.profile, public_key })
    expect(profileFault(nodeRid('curve', public_key), contents, node)).toMatch(/^holds a key that verifies nothing: /)
  }
})

it('takes profiles of up to 16 KiB', () => {
  const node = us('http://koi.example/koi-net')
  const padded = (pad: number) =>
    contentsOf({ ...(nodeProfileContents(other.profile).value as object), pad: 'x'.repeat(pad) })
  const room = 16 * 1024 - padded(0).text.length
  expect(profileFault(other.rid, padded(room), node)).toBeUndefined()
  expect(profileFault(other.rid, padded(room + 1), node)).toBe('is 16385 bytes long, more than 16384')
})
