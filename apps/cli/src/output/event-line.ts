import type { Paint } from '../io.ts'
import { nodeName } from '../network-event.ts'
import type { NetworkEvent } from '../network-event.ts'
import { printable, shortRid } from './printable.ts'
import type { ColourName } from './colour.ts'

const KIND_COLOURS: Readonly<Record<string, ColourName>> = { new: 'green', update: 'yellow', forget: 'red' }

/** `12:03:04  UPDATE  data-catalog.dataset:data/planets.csv  producer → mcp-gateway`: when, what, and from whom to whom. */
export const eventLine = (event: NetworkEvent, node: string, width: number, paint: Paint): string => {
  const time = new Date(event.at).toTimeString().slice(0, 8)
  const kind = paint(KIND_COLOURS[event.kind] ?? 'cyan', event.kind.toUpperCase().padEnd(9))
  const from = event.peer === undefined ? '' : `${printable(nodeName(event.peer))} → `
  const who = paint('dim', `${from}${printable(node)}`)
  const room = Math.max(MIN_RID_WIDTH, width - FIXED_WIDTH - who.length)
  const what = shortRid(event.rid ?? event.message ?? '', room)
  return `${paint('dim', time)}  ${kind} ${what.padEnd(Math.min(room, RID_COLUMN))}  ${who}`
}

const MIN_RID_WIDTH = 24
const RID_COLUMN = 52
const FIXED_WIDTH = 22

/** What scripts get: the event, and the node that it happened in. */
export const eventJson = (event: NetworkEvent, node: { role?: string; node_rid?: string | undefined }): string =>
  JSON.stringify({
    event: event.kind,
    time: new Date(event.at).toISOString(),
    ...(node.role === undefined ? {} : { role: node.role }),
    ...(node.node_rid === undefined ? {} : { node: node.node_rid }),
    rid: event.rid,
    peer: event.peer,
    message: event.message,
  })
