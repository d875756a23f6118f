export interface FetchBounds {
  /** From the call to the last byte. */
  readonly timeoutMs: number
  readonly maxBytes: number
}

/** Keys and their whereabouts are a few kilobytes, and somebody waits for them. */
const BOUNDS: FetchBounds = { timeoutMs: 5_000, maxBytes: 256 * 1024 }

/** The text that a URL answers 200 with: no redirects, time and length bounded. @throws Error that says why there is none */
export async function fetchText(url: string, { timeoutMs, maxBytes }: FetchBounds = BOUNDS): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs)
  const response = await fetch(url, { redirect: 'manual', headers: { accept: 'application/json' }, signal })
  if (response.status !== 200) {
    await response.body?.cancel()
    const isRedirect = response.status >= 300 && response.status < 400
    throw new Error(`${url} answered HTTP ${response.status}${isRedirect ? ': redirects are not followed' : ''}`)
  }
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length
    // Leaving the loop closes the connection.
    if (length > maxBytes) throw new Error(`${url} answered more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Whether keys may be fetched from there: whoever stands between could put in his own. */
export function isKeysUrl(url: unknown): url is string {
  if (typeof url !== 'string' || !URL.canParse(url)) return false
  const { protocol, hostname, username, password } = new URL(url)
  if (username + password !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname))
}
