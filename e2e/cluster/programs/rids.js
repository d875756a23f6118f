// rids.js URL TYPE: prints all RIDs of the type that a node knows.
const [url, type] = process.argv.slice(2)
const all = []
for (let after = ''; after !== null;) {
  const query = new URLSearchParams({ types: type, limit: '1000', ...(after && { after }) })
  const response = await fetch(`${url}/api/rids?${query}`, {
    headers: { authorization: `Bearer ${process.env.TOKEN}` },
  })
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  const { rids, next } = await response.json()
  all.push(...rids)
  after = next
}
process.stdout.write(JSON.stringify(all))
