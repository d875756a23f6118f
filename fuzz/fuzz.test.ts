import { describe, expect, test } from 'vitest'
import { parseEnvelope } from '@koi-mcp/protocol'
import { CaseMaker } from './cases.ts'
import { problemOf } from './check-reply.ts'
import { FuzzPeer } from './peer.ts'

const target = new FuzzPeer('target')
const peer = new FuzzPeer('peer')
const json = { 'content-type': 'application/json' }
const signed = (payload: object, by = target) => by.sign(JSON.stringify(payload), peer.rid)
const noEvents = { type: 'events_payload', events: [] }

describe('a reply', () => {
  const problem = (path: string, status: number, body: string, headers: object = json) =>
    problemOf(path, { status, headers: headers as typeof json, body, ms: 1 }, target)

  test.each([
    ['/events/broadcast', 200, 'null'],
    ['/events/poll', 200, signed(noEvents)],
    ['/bundles/fetch?x=1', 200, signed({ type: 'bundles_payload', bundles: [], not_found: ['x:y'], deferred: [] })],
    ['/rids/fetch', 400, '{"type":"error_response","error":"unknown_node"}'],
    ['/rids/fetch', 422, '{"detail":[{"type":"malformed","loc":["body"],"msg":"x"}]}'],
    ['/rids/fetch', 415, '{"detail":"x"}'],
  ])('to %s that is as it should be: %i', (path, status, body) => {
    expect(problem(path, status, body)).toBeUndefined()
  })

  test.each([
    ['/rids/fetch', 500, '{"detail":"Internal Server Error"}', /the status is 500/],
    ['/rids/fetch', 503, '{"detail":"x"}', /the status is 503/],
    ['/rids/fetch', 422, '<html>', /cannot be read/],
    ['/rids/fetch', 400, '{"error":"other"}', /the error is/],
    ['/events/broadcast', 200, signed(noEvents), /the body of a broadcast/],
    ['/events/poll', 200, signed(noEvents, peer), /not the one its RID names/],
    ['/events/poll', 200, signed(noEvents).replace('[]', '[1]'), /does not verify/],
    ['/events/poll', 200, signed({ type: 'events_payload', events: [1] }), /an item of the reply/],
    ['/rids/fetch', 200, signed(noEvents), /payload.type: must be rids_payload/],
    ['/elsewhere', 200, '{}', /another path/],
  ])('to %s that is not: %i %s', (path, status, body, why) => {
    expect(problem(path, status, body)).toMatch(why)
  })

  test('of another content type', () => {
    expect(problem('/events/broadcast', 200, 'null', {})).toBe('the content type is undefined')
  })
})

test('cases follow from the seed, and those that are signed verify', () => {
  const make = (seed: number) => {
    const maker = new CaseMaker({ seed, target: target.rid, peers: [peer], canaries: ['x:canary'] })
    return Array.from({ length: 500 }, (_, index) => maker.make(index))
  }
  const names = (cases: readonly { kind: string; path: string }[]) => cases.map(({ kind, path }) => `${kind} ${path}`)
  const made = make(1)
  expect(names(make(1))).toEqual(names(made))
  expect(names(make(2))).not.toEqual(names(made))
  expect(new Set(made.map(({ kind }) => kind)).size).toBe(12)
  const sound = made.filter(({ kind }) => kind === 'as it should be').map(({ body }) => parseEnvelope(body).source_node)
  expect(new Set(sound)).toEqual(new Set([peer.rid]))
})
