// A process of a node: release-process.ts before|this URL SCHEMA NAME. It accepts, changes the cache and delivers until its input ends, and
// writes what it did, a line each: what it accepted, and what it told the peer.
import { asRid, contentsOf, generateBundle } from '@koi-mcp/protocol'
import { PEER } from './release.ts'
import type { Release } from './release.ts'
import { ReleaseBefore } from './release-before.ts'
import { ThisRelease } from './this-release.ts'

/** RIDs of its own, and as many that all processes write about. */
const RIDS = 5

const [kind, url = '', schema = '', name = ''] = process.argv.slice(2)
let isOver = false
process.stdin.resume().on('end', () => (isOver = true))
say({ event: 'opening' })
const release: Release = await (kind === 'before' ? ReleaseBefore : ThisRelease).open({ url, schema, name })
say({ event: 'open' })

for (let count = 0; !isOver; count++) {
  const owner = count % 2 === 0 ? name : 'all'
  const rid = asRid(`orn:data-catalog.dataset:${owner}-${Math.trunc(count / 2) % RIDS}`)
  const bundle = generateBundle(rid, contentsOf({ name, count }), '2026-01-01T00:00:00Z')
  await release.accept({ rid, eventType: 'NEW', source: PEER, ...bundle })
  say({ event: 'accepted', rid, text: bundle.contents.text })
  // In two ways in turn: in one step, or in the steps that handlers behind the cache need.
  await release.work(count % 3 === 0 ? 'in steps' : 'at once')
  if (count % 4 === 0) say({ event: 'told', texts: await release.deliver() })
}
await release.close()

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
