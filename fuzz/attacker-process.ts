/** Sends an attack for as long as it is told to, in a process of its own. Started by `attacks.ts`. */
import { asRid } from '@koi-mcp/protocol'
import { FuzzPeer } from './peer.ts'
import { attackNames, attackOf } from './attack-bodies.ts'
import { post } from './target.ts'

const [url = '', target = ''] = process.argv.slice(2)
const mallory = new FuzzPeer('mallory')
const ADDRESS = '127.0.0.2'
let over = false

process.on('message', (order: string) => {
  void (async () => {
    if (order === 'stop') return void (over = true)
    over = false
    const { path, bodies, atOnce } = attackOf(order, mallory, asRid(target))
    const statuses: Record<string, number> = {}
    process.send?.('begun')
    await Promise.all(
      Array.from({ length: atOnce }, async (_, first) => {
        for (let index = first; !over; index++) {
          const body = bodies[index % bodies.length]!
          const { status } = await post(`${url}${path}`, body, { localAddress: ADDRESS }).catch(() => ({ status: 0 }))
          statuses[status] = (statuses[status] ?? 0) + 1
        }
      }),
    )
    process.send?.(statuses)
  })()
})
process.on('disconnect', () => process.exit(0))
await post(`${url}/events/broadcast`, Buffer.from(mallory.sign(JSON.stringify(mallory.handshake), asRid(target))), {})
process.send?.(attackNames)
