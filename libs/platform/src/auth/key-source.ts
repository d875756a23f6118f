import { readFile } from 'node:fs/promises'
import type { FetchBounds } from './bounded-fetch.ts'
import { fetchText, isKeysUrl } from './bounded-fetch.ts'

/** The text of a JSON Web Key Set, as it is now. Rejects where it cannot be had. */
export type KeySource = () => Promise<string>

export const keysOfUrl =
  (url: string, bounds?: FetchBounds): KeySource =>
  () =>
    fetchText(url, bounds)

/** Read anew each time: a mounted Secret changes in place. */
export const keysOfFile =
  (path: string): KeySource =>
  () =>
    readFile(path, 'utf8')

/** Where an issuer says what it is: RFC 8414, section 3, puts the name before the issuer's own path, OpenID Connect Discovery 1.0, section 4, behind it. */
function metadataUrls(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/+$/, '')
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ]
}

/** The keys at the `jwks_uri` of the issuer's own metadata, which must name that issuer (RFC 8414, section 3.3). */
export const keysOfIssuer =
  (issuer: string, bounds?: FetchBounds): KeySource =>
  async () => {
    let failure: unknown
    for (const url of metadataUrls(issuer)) {
      const text = await fetchText(url, bounds).catch((error: unknown) => void (failure ??= error))
      if (text === undefined) continue
      return fetchText(jwksUriOf(text, issuer, url), bounds)
    }
    throw failure
  }

function jwksUriOf(text: string, issuer: string, url: string): string {
  const metadata = metadataOf(text)
  if (metadata === undefined) throw new Error(`${url} answered no JSON object`)
  if (metadata.issuer !== issuer) throw new Error(`${url} is of another issuer than security.auth_config.issuer`)
  if (!isKeysUrl(metadata.jwks_uri)) throw new Error(`${url} names no https URL as its jwks_uri`)
  return metadata.jwks_uri
}

function metadataOf(text: string): { readonly issuer?: unknown; readonly jwks_uri?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
