/**
 * The RID types that the reference registers (rid-lib 3.3.0, `rid_lib.types`) with a grammar of their own. An RID that one of them refuses, or prints
 * back changed, spoils every envelope and every list that it stands in: its signature does not verify over there, and a node that gets such a reply
 * ends.
 */
import { isIPv6 } from 'node:net'
import { isRid, parseRid, REFERENCE_MAX_RID_BYTES } from './rid.ts'
import type { Rid } from './rid.ts'

/** Owner and repository; behind a colon whatever the type says. */
const inRepository = (rest: RegExp) => (reference: string) => {
  const [, repository = '', behind = ''] = /^([^:]*):(.*)$/s.exec(reference) ?? []
  return isRepository(repository) && rest.test(behind)
}
const isRepository = (text: string): boolean => /^[^/]+\/.+$/s.test(text)
const parts = (count: number) => (reference: string) => reference.split('/').length === count
/** A whole number as Python prints it. */
const NUMBER = /^(?:0|-?[1-9]\d*)$/
const SOME = /^.+$/s

const GRAMMARS: ReadonlyMap<string, (reference: string) => boolean> = new Map([
  ['http', isPrintedUrl],
  ['https', isPrintedUrl],
  ['orn:slack.channel', parts(2)],
  ['orn:slack.user', parts(2)],
  ['orn:slack.usergroup', parts(2)],
  ['orn:slack.message', parts(3)],
  ['orn:discord.message', parts(2)],
  ['orn:google_drive.export', parts(3)],
  ['orn:hackmd.note', (reference: string) => !reference.startsWith('/')],
  ['orn:github.repo', isRepository],
  ['orn:github.commit', inRepository(SOME)],
  ['orn:github.event', inRepository(SOME)],
  ['orn:github.issue', inRepository(NUMBER)],
  ['orn:github.pr', inRepository(NUMBER)],
  ['orn:normalized.text', isPrintedRid],
  ['orn:vector', isPrintedRid],
])

/** Why the reference could not live with the RID: too long for its cache, or not what its types print; undefined when it can. */
export function referenceRidProblem(rid: Rid, maxBytes: number = REFERENCE_MAX_RID_BYTES): string | undefined {
  if (Buffer.byteLength(rid) > maxBytes) return `the RID is longer than ${maxBytes} bytes`
  const { type } = parseRid(rid)
  if (!isPrintedRid(rid)) return `the RID is not what the grammar of ${type} allows, or prints`
  return undefined
}

function isPrintedRid(text: string): boolean {
  if (!isRid(text)) return false
  const { type, reference } = parseRid(text)
  return GRAMMARS.get(type)?.(reference) ?? true
}

/** Taken apart and put together again by Python's `urllib.parse`, it is the same: no query or fragment that is empty, no scheme behind the scheme. */
function isPrintedUrl(reference: string): boolean {
  if (/[\t\r\n]/.test(reference)) return false
  const [found, authority] = /^(?:\/\/([^/?#]+)(?=[/?#]|$))?[^?#]*(?:\?[^#]+)?(?:#.+)?$/s.exec(reference) ?? []
  if (found === undefined) return false
  return authority === undefined ? isPrintedPath(reference) : isAuthority(authority)
}

function isPrintedPath(path: string): boolean {
  return path.charCodeAt(0) > 0x20 && !path.startsWith('//') && !/^[A-Za-z][A-Za-z0-9+.-]*:/.test(path)
}

function isAuthority(authority: string): boolean {
  if (/[[\]]/.test(authority)) {
    const [, host = ''] = /^(?:[^[\]@]*@)?\[([^[\]%]*)\](?::\d*)?$/.exec(authority) ?? []
    return isIPv6(host)
  }
  // Letters that turn into a delimiter when they are normalised are refused there.
  const bare = authority.replaceAll(/[@:#?]/g, '')
  const normalised = bare.normalize('NFKC')
  return normalised === bare || !/[/?#@:]/.test(normalised)
}
