/** What a head says to the next hop alone (RFC 9110, 7.6.1), or what Node.js has dealt with (`expect`). */
const OF_ONE_HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade', 'expect']

/** The lines of a head that go on to the other side: `[name, value, name, value …]`, each as it came. */
export const endToEnd = (raw: readonly string[], more: readonly string[] = []): string[] => {
  const pairs = raw.flatMap((name, index) => (index % 2 === 0 ? [{ name, value: raw[index + 1] ?? '' }] : []))
  const named = pairs.filter(({ name }) => name.toLowerCase() === 'connection').flatMap(({ value }) => value.split(','))
  const left = new Set([...OF_ONE_HOP, ...more, ...named.map((name) => name.trim().toLowerCase())])
  return pairs.flatMap(({ name, value }) => (left.has(name.toLowerCase()) ? [] : [name, value]))
}
