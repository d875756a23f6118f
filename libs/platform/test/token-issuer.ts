import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CompactSign, exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { CryptoKey, JWK, JWTPayload } from 'jose'

export const ISSUER = 'https://id.example.org'
export const AUDIENCE = 'koi-mcp'

/** `undefined` leaves a claim out. */
type Claims = { readonly [K in keyof JWTPayload]?: JWTPayload[K] | undefined }

interface Pair {
  readonly kid: string
  readonly alg: string
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}

/** Makes tokens, and shows its public keys over HTTP as it is told to. */
export class TokenIssuer {
  /** Calls of the key set so far. */
  asked = 0
  /** How the key set is answered, where not as it is. */
  answer: ((response: ServerResponse) => void) | undefined
  #shown: readonly JWK[] = []
  readonly #pairs = new Map<string, Pair>()
  readonly #server = createServer((request, response) => {
    if (request.url?.endsWith('/jwks') !== true) {
      const isMetadata = request.url?.endsWith('/.well-known/openid-configuration') === true
      response.writeHead(isMetadata ? 200 : 404, { 'content-type': 'application/json' })
      response.end(JSON.stringify(isMetadata ? this.metadata : {}))
      return
    }
    this.asked++
    if (this.answer !== undefined) return void this.answer(response)
    response.writeHead(200, { 'content-type': 'application/json' }).end(this.keySet)
  })
  url = ''
  metadata: object = {}

  static async start(): Promise<TokenIssuer> {
    const issuer = new TokenIssuer()
    await issuer.#listen(0)
    issuer.metadata = { issuer: issuer.url, jwks_uri: issuer.jwksUrl }
    return issuer
  }

  get jwksUrl(): string {
    return `${this.url}/jwks`
  }

  get keySet(): string {
    return JSON.stringify({ keys: this.#shown })
  }

  /** A new key of this name, not shown yet. */
  async makeKey(kid: string, alg = 'ES256'): Promise<Pair> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    const pair = { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } }
    this.#pairs.set(kid, pair)
    return pair
  }

  show(...kids: string[]): void {
    this.#shown = kids.map((kid) => this.#pairs.get(kid)!.jwk)
  }

  showKeys(...keys: JWK[]): void {
    this.#shown = keys
  }

  /** A good token of a minute, but for what is said otherwise. */
  token(claims: Claims = {}, { kid = 'one', header = {} }: { kid?: string; header?: object } = {}): Promise<string> {
    const { alg, privateKey } = this.#pairs.get(kid)!
    const now = Math.floor(Date.now() / 1000)
    const payload = { iss: ISSUER, aud: AUDIENCE, sub: 'ada', exp: now + 60, iat: now, ...claims }
    return new SignJWT(payload as JWTPayload).setProtectedHeader({ alg, kid, ...header }).sign(privateKey)
  }

  /** Any text, signed. */
  sign(text: string, kid = 'one'): Promise<string> {
    const { alg, privateKey } = this.#pairs.get(kid)!
    return new CompactSign(Buffer.from(text)).setProtectedHeader({ alg, kid }).sign(privateKey)
  }

  /** Nobody is there any more, until `back`. */
  async leave(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async back(): Promise<void> {
    await this.#listen(Number(new URL(this.url).port))
  }

  async #listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }
}

/** What came out, for a caller: the status and the text of an `AuthError`. */
export async function refusalOf(result: Promise<unknown>): Promise<unknown> {
  return result.then(
    (value) => value,
    ({ status, message }: { status: number; message: string }) => [status, message],
  )
}
