/**
 * The data of server-sent events (WHATWG HTML, "Server-sent events"), one string per event; comments and the other fields are skipped.
 * An event longer than `MAX_EVENT` characters ends the stream with an error: no service of ours sends one.
 */
export async function* eventStreamData(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  let data: string[] = []
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true })
    if (rest.length > MAX_EVENT) throw new Error('an event of the stream is longer than 1 MiB')
    // A CR at the very end may be the first half of a CRLF that is still on its way.
    const lines = rest.split(/\r\n|\n|\r(?!$)/u)
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield data.join('\n')
        data = []
      } else if (line.startsWith('data:')) data.push(line.slice(line.startsWith('data: ') ? 6 : 5))
    }
  }
}

const MAX_EVENT = 1024 * 1024
