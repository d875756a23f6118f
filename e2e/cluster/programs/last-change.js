// last-change.js URL RID: prints the place of the last change of the RID in a node's change log.
const [url, rid] = process.argv.slice(2)
const response = await fetch(`${url}/api/bundle?rid=${encodeURIComponent(rid)}`, {
  headers: { authorization: `Bearer ${process.env.TOKEN}` },
})
process.stdout.write(JSON.stringify((await response.json()).seq))
