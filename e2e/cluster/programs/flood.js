// flood.js URL NODE KEY EVENTS: a node without an address, whose private key (PEM) is KEY, sends as many new datasets to the NODE at URL, 1,000 an envelope.
// Prints how many were acknowledged.
import { createPrivateKey } from 'node:crypto'
import {
  BROADCAST_EVENTS_PATH,
  contentsOf,
  eventFromBundle,
  eventText,
  formatTimestamp,
  generateBundle,
  nodeProfileContents,
  nodeRid,
  publicKeyOf,
  publicKeyToDerBase64,
  signEnvelope,
} from '@koi-mcp/protocol'

const [url, target, pem, events] = process.argv.slice(2)
const key = createPrivateKey(pem)
const publicKey = publicKeyToDerBase64(publicKeyOf(key))
const source = nodeRid('flood', publicKey)
const now = () => formatTimestamp(BigInt(Date.now()) * 1_000n)
const told = (rid, contents) => eventText(eventFromBundle('NEW', generateBundle(rid, contents, now())))
const profile = { node_type: 'PARTIAL', provides: { event: [], state: [] }, public_key: publicKey }
const run = Math.random().toString(36).slice(2, 8)

let acknowledged = 0
while (acknowledged < Number(events)) {
  const texts = [told(source, nodeProfileContents(profile))]
  for (let index = 0; index < 1_000; index += 1) {
    const name = `${run}-${acknowledged + index}`
    const contents = contentsOf({ name, format: 'csv', location: `file:///${name}` })
    texts.push(told(`orn:data-catalog.dataset:flood/${name}`, contents))
  }
  const body = signEnvelope(
    { payloadText: `{"type":"events_payload","events":[${texts.join(',')}]}`, source, target },
    key,
  )
  const response = await fetch(`${url}/koi-net${BROADCAST_EVENTS_PATH}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  if (!response.ok) throw new Error(`answered ${response.status}: ${await response.text()}`)
  acknowledged += 1_000
}
process.stdout.write(JSON.stringify(acknowledged))
