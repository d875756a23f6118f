import { describe, expect, it } from 'vitest'

import { bundleText, generateBundle } from './bundle.ts'
import { contentsOf } from './contents.ts'
import { ProtocolError } from './errors.ts'
import { bundleOfEvent, eventFromBundle, eventFromManifest, eventText, forgetEvent, parseEvent } from './event.ts'
import { parseJson } from './json-text.ts'
import { ENDPOINTS, isEndpointPath } from './paths.ts'
import { payloadText } from './payload.ts'
import { parsePayload } from './payload-parser.ts'
import { asRid } from './rid.ts'

const RID = asRid('orn:a:1')
const OTHER = asRid('orn:a:2')
const BUNDLE = generateBundle(RID, contentsOf({ a: 1 }), '2026-11-23T08:40:55Z')
const MANIFEST = BUNDLE.manifest
const BAD = { code: 'malformed', path: expect.any(String) as string, problem: expect.any(String) as string }

describe('events', () => {
  it('are printed whole, by manifest, or by RID alone [EVT-1]', () => {
    expect(eventText(eventFromBundle('NEW', BUNDLE))).toBe(
      `{"rid":"orn:a:1","event_type":"NEW","manifest":${MANIFEST.text},"contents":{"a":1}}`,
    )
    expect(eventText(eventFromManifest('UPDATE', MANIFEST))).toBe(
      `{"rid":"orn:a:1","event_type":"UPDATE","manifest":${MANIFEST.text}}`,
    )
    expect(eventText({ rid: RID, event_type: 'NEW' })).toBe('{"rid":"orn:a:1","event_type":"NEW"}')
    expect(eventText(forgetEvent(RID))).toBe('{"rid":"orn:a:1","event_type":"FORGET"}')
    expect(eventText({ ...eventFromBundle('NEW', BUNDLE), event_type: 'FORGET' })).toBe(
      '{"rid":"orn:a:1","event_type":"FORGET"}',
    )
  })

  it('survive being printed and read', () => {
    for (const event of [eventFromBundle('UPDATE', BUNDLE), eventFromManifest('NEW', MANIFEST), forgetEvent(RID)]) {
      expect(JSON.parse(JSON.stringify(parseEvent(eventText(event))))).toEqual(JSON.parse(JSON.stringify(event)))
    }
    expect(bundleOfEvent(eventFromBundle('NEW', BUNDLE))).toEqual(BUNDLE)
    expect(bundleOfEvent(forgetEvent(RID))).toBeUndefined()
  })

  it('drop what nothing vouches for, and take null for absent [EVT-1]', () => {
    expect(
      parseEvent(`{"rid":"orn:a:1","event_type":"FORGET","manifest":${MANIFEST.text},"contents":{"a":1}}`),
    ).toEqual(forgetEvent(RID))
    expect(parseEvent('{"rid":"orn:a:1","event_type":"NEW","manifest":null,"contents":{"a":1}}')).toEqual({
      rid: RID,
      event_type: 'NEW',
    })
  })

  it.each([
    [
      `{"rid":"orn:a:2","event_type":"NEW","manifest":${MANIFEST.text}}`,
      'manifest.rid: is "orn:a:1", but the event is about "orn:a:2"',
    ],
    [`{"rid":"orn:a:1","event_type":"NEW","manifest":${MANIFEST.text},"contents":{"a":2}}`, 'contents: hash to '],
    [
      `{"rid":"orn:a:1","event_type":"NEW","manifest":${MANIFEST.text},"contents":[]}`,
      'contents: must be an object, is an array',
    ],
    ['{"rid":"orn:a:1","event_type":"new"}', 'event_type: must be NEW or UPDATE or FORGET, is "new"'],
    ['{"event_type":"NEW"}', 'rid: is missing'],
  ])('are refused when they contradict themselves: %# [EVT-2]', (text, message) => {
    expect(() => parseEvent(text)).toThrow(message)
  })
})

describe('payloads', () => {
  it('print type first and every default [MSG-1]', () => {
    expect([
      payloadText({ type: 'events_payload', events: [forgetEvent(RID), forgetEvent(OTHER)] }),
      payloadText({ type: 'poll_events', limit: 0 }),
      payloadText({ type: 'fetch_rids', rid_types: [] }),
      payloadText({ type: 'fetch_manifests', rid_types: ['https'], rids: [] }),
      payloadText({ type: 'fetch_bundles', rids: [RID, OTHER] }),
      payloadText({ type: 'rids_payload', rids: [asRid('x:é"\u0001')] }),
      payloadText({ type: 'manifests_payload', manifests: [MANIFEST], not_found: [] }),
      payloadText({ type: 'bundles_payload', bundles: [BUNDLE], not_found: [RID], deferred: [] }),
    ]).toEqual([
      '{"type":"events_payload","events":[{"rid":"orn:a:1","event_type":"FORGET"},{"rid":"orn:a:2","event_type":"FORGET"}]}',
      '{"type":"poll_events","limit":0}',
      '{"type":"fetch_rids","rid_types":[]}',
      '{"type":"fetch_manifests","rid_types":["https"],"rids":[]}',
      '{"type":"fetch_bundles","rids":["orn:a:1","orn:a:2"]}',
      '{"type":"rids_payload","rids":["x:é\\"\\u0001"]}',
      `{"type":"manifests_payload","manifests":[${MANIFEST.text}],"not_found":[]}`,
      `{"type":"bundles_payload","bundles":[${bundleText(BUNDLE)}],"not_found":["orn:a:1"],"deferred":[]}`,
    ])
    expect(() => payloadText({ type: 'poll_events', limit: 1.5 })).toThrow('limit: must be a whole number, is 1.5')
  })

  it('go with their paths [MSG-1]', () => {
    expect(Object.entries(ENDPOINTS).map(([path, { request, response }]) => [path, request, response])).toEqual([
      ['/events/broadcast', 'events_payload', null],
      ['/events/poll', 'poll_events', 'events_payload'],
      ['/rids/fetch', 'fetch_rids', 'rids_payload'],
      ['/manifests/fetch', 'fetch_manifests', 'manifests_payload'],
      ['/bundles/fetch', 'fetch_bundles', 'bundles_payload'],
    ])
    expect([isEndpointPath('/rids/fetch'), isEndpointPath('toString')]).toEqual([true, false])
  })

  it('have their defaults filled in, and unknown fields ignored [MSG-2]', () => {
    expect(parsePayload(parseJson('{"more":1}'), 'poll_events')).toEqual({ type: 'poll_events', limit: 0 })
    expect(parsePayload(parseJson('{"type":"fetch_rids"}'), 'fetch_rids')).toEqual({
      type: 'fetch_rids',
      rid_types: [],
    })
    expect(parsePayload(parseJson('{}'), 'fetch_manifests')).toEqual({
      type: 'fetch_manifests',
      rid_types: [],
      rids: [],
    })
    expect(parsePayload(parseJson('{"bundles":[]}'), 'bundles_payload')).toEqual({
      type: 'bundles_payload',
      bundles: [],
      not_found: [],
      deferred: [],
    })
  })

  it.each([
    ['[]', 'fetch_rids', 'payload: must be an object, is an array'],
    ['{"type":"poll_events"}', 'fetch_rids', 'payload.type: must be fetch_rids, is "poll_events"'],
    ['{"type":"fetch_bundles"}', 'fetch_bundles', 'payload.rids: is missing'],
    ['{"type":"rids_payload"}', 'rids_payload', 'payload.rids: is missing'],
    ['{"type":"events_payload"}', 'events_payload', 'payload.events: is missing'],
    ['{"type":"events_payload","events":{}}', 'events_payload', 'payload.events: must be an array, is an object'],
    ['{"limit":-1}', 'poll_events', 'payload.limit: must be a whole number, 0 for all; is -1'],
    ['{"limit":"5"}', 'poll_events', 'payload.limit: must be a whole number, 0 for all; is "5"'],
    [
      '{"rid_types":["a:b"]}',
      'fetch_rids',
      'payload.rid_types[0]: "a:b" is no RID type: only orn and urn take a namespace',
    ],
    ['{"limit":1,"limit":2}', 'poll_events', 'payload: has the same name twice in one object'],
  ] as const)('are refused when they are not what the path calls for: %#', (text, type, message) => {
    expect(() => parsePayload(parseJson(text), type)).toThrow(message)
  })

  it('are refused when a list is longer than is taken at once, and not at that length', () => {
    const payload = parseJson('{"rids":["x:1","x:2"]}')
    expect(parsePayload(payload, 'fetch_bundles', { maxItems: 2 }).rids).toHaveLength(2)
    expect(() => parsePayload(payload, 'fetch_bundles', { maxItems: 1 })).toThrow(
      'payload.rids: has 2 items, and at most 1 are taken at once',
    )
  })

  it('cost little when every item is nonsense, and leave the traces of other errors as they are', () => {
    const before = Error.stackTraceLimit
    const { rids } = parsePayload(parseJson('{"rids":[1]}'), 'fetch_bundles')
    expect(rids[0]?.error?.stack).toBe('ProtocolError: payload.rids[0]: must be a string, is a number')
    expect([before > 0, Error.stackTraceLimit]).toEqual([true, before])
  })

  it('keep their good events beside the bad ones [EVT-3]', () => {
    const good = eventText(eventFromBundle('NEW', BUNDLE))
    const bad = [
      '{"rid":"orn:a:2","event_type":"NEW","manifest":{"rid":"orn:a:2"}}',
      '{"rid":"nothing","event_type":"NEW"}',
      `{"rid":"orn:a:1","event_type":"NEW","manifest":${MANIFEST.text},"contents":{"a":1,"a":1}}`,
      '{"rid":"x:\\ud800","event_type":"FORGET"}',
      `{"rid":"orn:a:2","event_type":"NEW","x":${'['.repeat(300)}${']'.repeat(300)}}`,
      'null',
    ]
    const text = `{"type":"events_payload","events":[${bad.map((event) => `${event},${good}`).join(',')}]}`
    const { events } = parsePayload(parseJson(text), 'events_payload')
    const read = events.filter(({ ok }) => ok !== undefined).map(({ ok }) => ok?.contents?.text)
    expect(read).toEqual(bad.map(() => '{"a":1}'))
    const refused = events.flatMap((item) =>
      item.ok === undefined ? [[item.rid, item.error instanceof ProtocolError, item.error.message]] : [],
    )
    expect(refused).toEqual([
      ['orn:a:2', true, 'payload.events[0].manifest.timestamp: is missing'],
      [undefined, true, 'payload.events[2].rid: "nothing" is no RID: it has no ":" (expected scheme:reference)'],
      ['orn:a:1', true, 'payload.events[4]: has the same name twice in one object'],
      [undefined, true, 'payload.events[6]: has half a surrogate pair'],
      ['orn:a:2', true, 'payload.events[8]: is nested deeper than 200 levels'],
      [undefined, true, 'payload.events[10]: must be an object, is null'],
    ])
  })

  it('keep their good bundles, manifests and RIDs beside the bad ones [EVT-3]', () => {
    const bundles = parsePayload(
      parseJson(
        `{"bundles":[{"manifest":${MANIFEST.text},"contents":{}},${bundleText(BUNDLE)}],"not_found":["x","x:y"]}`,
      ),
      'bundles_payload',
    )
    expect(bundles.bundles.map((item) => (item.ok === undefined ? item.rid : item.ok.contents.text))).toEqual([
      'orn:a:1',
      '{"a":1}',
    ])
    expect(bundles.not_found).toEqual([{ error: expect.objectContaining(BAD) as unknown }, { ok: 'x:y' }])
    const manifests = parsePayload(parseJson(`{"manifests":[{"rid":"orn:a:2"},${MANIFEST.text}]}`), 'manifests_payload')
    expect(manifests.manifests).toEqual([
      { error: expect.objectContaining(BAD) as unknown, rid: OTHER },
      { ok: MANIFEST },
    ])
  })
})
