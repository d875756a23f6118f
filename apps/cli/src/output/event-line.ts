import type { Paint } from '../io.ts'
import { nodeName } from '../network-event.ts'
import type { NetworkEvent } from '../network-event.ts'
import type { ColourName } from './colour.ts'
import { printable, shortened, shortRid } from './printable.ts'

const COLOURS: Readonly<Record<string, ColourName>> = { new: 'green', update: 'yellow', forget: 'red', edge: 'cyan' }

/** `12:03:04  UPDATE  data-catalog.dataset:data/planets.csv  producer → mcp-gateway`: when, what, and from whom to whom. */
export const eventLine = (event: NetworkEvent, node: string, width: number, paint: Paint): string => {
  const time = new Date(event.at).toTimeString().slice(0, 8)
  const who = `${event.peer === undefined ? '' : `${printable(nodeName(event.peer))} → `}${printable(node)}`
  const room = Math.max(MIN_SUBJECT, width - FIXED - who.length)
  const what = shortened(subject(event), room)
  const kind = paint(COLOURS[event.kind] ?? 'dim', printable(event.kind).toUpperCase().padEnd(6))
  return `${paint('dim', time)}  ${kind}  ${what.padEnd(Math.min(room, SUBJECT_COLUMN))}  ${paint('dim', who)}`
}

const MIN_SUBJECT = 24
const SUBJECT_COLUMN = 60
/** Time, kind, and the spaces between. */
const FIXED = 20

const subject = ({ rid, edge }: NetworkEvent): string => {
  const name = nodeName(rid)
  if (name !== rid) return `node ${printable(name)}`
  if (edge === undefined) return shortRid(rid)
  const [provider, subscriber] = [edge.provider, edge.subscriber].map((end) => printable(nodeName(end)))
  return `${provider} → ${subscriber}, ${printable(edge.status.toLowerCase())}`
}

/** What scripts get: the event, and the node that it happened in. */
export const eventJson = (event: NetworkEvent, node: { role?: string; node_rid?: string | undefined }): string => {
  const { kind, at, ...rest } = event
  return JSON.stringify({
    event: kind,
    time: new Date(at).toISOString(),
    role: node.role,
    node: node.node_rid,
    ...rest,
  })
}
