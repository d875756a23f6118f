// One replica as a process of its own: takes a lane, says so, and finishes its arrival once it is told to; prints how that went.
import { once } from 'node:events'
import { NO_EMISSIONS } from '@koi-mcp/core'
import { openRedisStore } from '../src/redis/open-redis-store.ts'

const [url = '', namespace = '', leaseMs = ''] = process.argv.slice(2)
const store = await openRedisStore({ url, namespace })
const [taken] = await store.takeLanes('late', Number(leaseMs), 1)
const named = await store.takeLease('work', 'late', Number(leaseMs))
if (taken === undefined || named === undefined) throw new Error('nothing to take')
process.stdout.write('taken\n')
await once(process.stdin, 'data')
const late = [
  store.finish(taken.lease, taken.first.place, NO_EMISSIONS),
  store.accept([{ rid: taken.first.rid, eventType: 'FORGET' }], undefined, named),
]
const outcomes = await Promise.allSettled(late)
process.stdout.write(
  `${outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'done' : (outcome.reason as { code?: string }).code)).join(' ')}\n`,
)
await store.close()
process.stdin.destroy()
