// locations.js URL: prints {rid: location} of the datasets that were published.
const [url] = process.argv.slice(2)
const headers = { authorization: `Bearer ${process.env.TOKEN}` }
const get = async (path) => {
  const response = await fetch(`${url}${path}`, { headers })
  return response.status === 404 ? undefined : await response.json()
}
const { rids } = await get('/api/rids?types=orn:data-catalog.dataset&limit=1000')
const found = {}
for (const rid of rids.filter((rid) => rid.includes(':published/'))) {
  const bundle = await get(`/api/bundle?rid=${encodeURIComponent(rid)}`)
  if (bundle !== undefined) found[rid] = bundle.contents.location
}
process.stdout.write(JSON.stringify(found))
