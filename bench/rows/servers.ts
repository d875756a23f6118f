import type { Row } from '../bench.ts'
import { onServers } from '../subjects/on-servers.ts'
import { eventsRow } from './events.ts'

/** Events, 10 a batch, into so many processes of one node: its store on Postgres, woken by BullMQ on Redis. */
export function serversRow(processes: number): Row {
  return eventsRow({ row: `servers-${processes}`, batch: 10, subject: onServers(processes) })
}
