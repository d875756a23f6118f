import { describe, expect, test } from 'vitest'
import type { NodeProfile, Rid } from '@koi-mcp/protocol'
import { addressBook } from './address-book.ts'

const NODE = `orn:koi-net.node:a+${'0a'.repeat(32)}` as Rid
const OTHER = `orn:koi-net.node:b+${'0b'.repeat(32)}` as Rid
const profile = (node_type: 'FULL' | 'PARTIAL', base_url?: string) =>
  ({ node_type, base_url, public_key: 'key', provides: { event: [], state: [] } }) as unknown as NodeProfile
const graph = (known: Readonly<Record<string, NodeProfile>>) => ({ profile: (node: Rid) => known[node] })

describe('addressBook', () => {
  test('gives what profiles say, and nothing for strangers and partial nodes', () => {
    const addressOf = addressBook(graph({ [NODE]: profile('FULL', 'http://a/koi-net'), [OTHER]: profile('PARTIAL') }))
    expect(addressOf(NODE)).toEqual({ url: 'http://a/koi-net', publicKey: 'key' })
    expect(addressOf(OTHER)).toBeUndefined()
    expect(addressOf('orn:koi-net.node:x+0' as Rid)).toBeUndefined()
  })

  test('calls the first contact where it was found, whatever an old profile says', () => {
    const moved = { rid: NODE, url: 'http://new/koi-net' }
    const known = graph({ [NODE]: profile('FULL', 'http://old/koi-net'), [OTHER]: profile('FULL', 'http://b/koi-net') })
    const addressOf = addressBook(known, () => moved)
    expect(addressOf(NODE)).toEqual({ url: 'http://new/koi-net', publicKey: 'key' })
    expect(addressOf(OTHER)).toEqual({ url: 'http://b/koi-net', publicKey: 'key' })
    expect(addressBook(graph({}), () => moved)(NODE)).toEqual({ url: 'http://new/koi-net', publicKey: undefined })
  })
})
