import { lookup } from 'node:dns'
import type { LookupAddress } from 'node:dns'
import { BlockList, isIP } from 'node:net'
import type { LookupFunction } from 'node:net'

/**
 * Which addresses this node may call. Asked with the host of the URL, and again with every IP address that a host name stands for,
 * at the moment of connecting: a name that is harmless when checked may mean something else when used.
 */
export type AddressPolicy = (address: { readonly host: string; readonly ip?: string | undefined }) => boolean

const LINK_LOCAL = new BlockList()
LINK_LOCAL.addSubnet('169.254.0.0', 16, 'ipv4')
LINK_LOCAL.addSubnet('fe80::', 10, 'ipv6')
// The metadata service of a large cloud over IPv6; it lies among the private addresses, not the link-local ones.
LINK_LOCAL.addAddress('fd00:ec2::254', 'ipv6')

/** Everything but link-local addresses, where clouds keep credentials (169.254.169.254) and no peer lives. */
export const allowAllButLinkLocal: AddressPolicy = ({ ip }) => {
  if (ip === undefined) return true
  const version = isIP(ip)
  if (version === 0) return false
  return !LINK_LOCAL.check(ip, version === 4 ? 'ipv4' : 'ipv6')
}

/** An address that the policy forbids; the code of the error that a connection attempt fails with. */
export const FORBIDDEN_ADDRESS = 'KOI_FORBIDDEN_ADDRESS'

class ForbiddenAddressError extends Error {
  readonly code = FORBIDDEN_ADDRESS
}

/** Why a URL is not called, as far as it can be told before its host is looked up: what is not http or https, or forbidden by the policy. */
export function addressFault(url: URL, policy: AddressPolicy = allowAllButLinkLocal): string | undefined {
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return `${url.protocol}// is not called, only http and https`
  if (url.username !== '' || url.password !== '') {
    return 'an address with a user name or password in it is not called'
  }
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return policy({ host, ip: isIP(host) === 0 ? undefined : host }) ? undefined : `the address ${host} may not be called`
}

/** @throws ForbiddenAddressError for a URL with a fault */
export function checkUrl(url: URL, policy: AddressPolicy): void {
  const fault = addressFault(url, policy)
  if (fault !== undefined) throw new ForbiddenAddressError(fault)
}

/** A `lookup` for sockets that leaves out forbidden addresses, and fails when none is left. */
export function guardedLookup(policy: AddressPolicy): LookupFunction {
  return (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, [])
      const allowed = found.filter(({ address }: LookupAddress) => policy({ host, ip: address }))
      const [first] = allowed
      if (first === undefined) {
        const what = found.map(({ address }) => address).join(', ')
        return callback(new ForbiddenAddressError(`${host} stands for ${what}, which may not be called`), [])
      }
      if (options.all) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}
