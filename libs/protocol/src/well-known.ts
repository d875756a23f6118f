import { parseContents } from './contents.ts'
import { ProtocolError } from './errors.ts'
import { membersOf, required, stringOf } from './fields.ts'
import { parseJson } from './json-text.ts'
import { nodeProfileContents, parseNodeProfile } from './node-profile.ts'
import type { NodeProfile } from './node-profile.ts'
import { isKeyOfNode, parseRid } from './rid.ts'
import type { Rid } from './rid.ts'
import { stringText } from './json-print.ts'

/** Which node listens at a host: how a node that knows only a URL learns the RID. Ours, beside the protocol, and unsigned. */
export interface WellKnown {
  readonly rid: Rid
  readonly base_url: string
  readonly profile: NodeProfile
}

export function wellKnownText({ rid, base_url, profile }: WellKnown): string {
  return `{"rid":${stringText(rid)},"base_url":${stringText(base_url)},"profile":${nodeProfileContents(profile).text}}`
}

/** @throws ProtocolError, also when the RID does not belong to the profile's key */
export function parseWellKnown(text: string): WellKnown {
  const members = membersOf(parseJson(text), '')
  const { rid } = parseRid(stringOf(required(members, 'rid', ''), 'rid'), 'rid')
  const base_url = stringOf(required(members, 'base_url', ''), 'base_url')
  const profile = parseNodeProfile(parseContents(required(members, 'profile', '').text))
  if (!isKeyOfNode(rid, profile.public_key)) throw new ProtocolError('rid', 'does not belong to the key in the profile')
  return { rid, base_url, profile }
}
