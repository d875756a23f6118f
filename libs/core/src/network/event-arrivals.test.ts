import { describe, expect, it } from 'vitest'
import { parseEnvelope, parsePayload, parseEvent } from '@koi-mcp/protocol'
import {
  DATASET,
  envelopeOf,
  eventsPayload,
  newEvent,
  profileBundle,
  recordingLogger,
  testBundle,
  testIdentity,
} from '../../test/peers.ts'
import { arrivalsOf } from './event-arrivals.ts'

const us = testIdentity('us')
const peer = testIdentity('peer')

function received(...eventTexts: readonly string[]) {
  const envelope = parseEnvelope(envelopeOf(peer, us.rid, eventsPayload(...eventTexts)))
  return parsePayload(envelope.payload, 'events_payload').events
}

describe('arrivalsOf', () => {
  it('keeps the good events of a batch, in order, and says why the others are dropped', () => {
    const log = recordingLogger()
    const [one, two] = [testBundle('1'), testBundle('2')]
    const events = received(
      newEvent(one),
      newEvent(profileBundle(us)),
      `{"rid":"${us.rid}","event_type":"FORGET"}`,
      newEvent(testBundle('é'.repeat(90))),
      '{"rid":"x:1","event_type":"REPLACE"}',
      '{"rid":"https://x.org?","event_type":"FORGET"}',
      newEvent(two).replace('"about":"2"', '"about":"forged"'),
      `{"rid":"x:1","event_type":"FORGET"}`,
      newEvent(two),
    )
    const arrivals = arrivalsOf(events, peer.rid, { self: us.rid, log })
    expect(arrivals.map(({ rid, eventType, source }) => [rid, eventType, source])).toEqual([
      [DATASET.of('1'), 'NEW', peer.rid],
      ['x:1', 'FORGET', peer.rid],
      [DATASET.of('2'), 'NEW', peer.rid],
    ])
    expect(arrivals[0]?.manifest?.text).toBe(one.manifest.text)
    expect(log.lines.map(({ fields }) => fields?.['error'])).toEqual([
      'only this node speaks about itself',
      'only this node speaks about itself',
      'the RID is longer than 187 bytes',
      expect.stringContaining('payload.events[4].event_type'),
      'the RID is not what the grammar of https allows, or prints',
      expect.stringContaining('payload.events[6].contents'),
    ])
  })

  it('takes longer RIDs where the limit is another', () => {
    const events = [{ ok: parseEvent(newEvent(testBundle('a'.repeat(300)))) }]
    const log = recordingLogger()
    expect(arrivalsOf(events, peer.rid, { self: us.rid, log, maxRidBytes: 400 })).toHaveLength(1)
  })

  it('does not let one envelope fill the log', () => {
    const log = recordingLogger()
    arrivalsOf(received(...Array.from({ length: 500 }, () => '{}')), peer.rid, { self: us.rid, log })
    expect(log.lines).toHaveLength(11)
    expect(log.lines.at(-1)?.fields).toEqual({ peer: peer.rid, count: 490 })
  })

  it('takes a FORGET as it is, whatever state of the RID it tells with it', () => {
    const bundle = testBundle('1')
    const told = newEvent(bundle).replace('"event_type":"NEW"', '"event_type":"FORGET"')
    expect(told).toContain('FORGET')
    const arrivals = arrivalsOf(received(told), peer.rid, { self: us.rid, log: recordingLogger() })
    expect(arrivals).toEqual([{ rid: bundle.manifest.rid, eventType: 'FORGET', source: peer.rid }])
  })
})
