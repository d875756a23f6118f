// flood.js URL NODE KEY FIRST EVENTS: a node without an address, whose private key (PEM) is KEY, tells the NODE at URL of as many new datasets, numbered
// from FIRST on, 1,000 in an envelope. What was not answered is sent again, as it was. Prints how many were acknowledged.
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

const [url, target, pem, first, events] = process.argv.slice(2)
const key = createPrivateKey(pem)
const publicKey = publicKeyToDerBase64(publicKeyOf(key))
const source = nodeRid('flood', publicKey)
const now = () => formatTimestamp(BigInt(Date.now()) * 1_000n)
const told = (rid, contents) => eventText(eventFromBundle('NEW', generateBundle(rid, contents, now())))
const profile = { node_type: 'PARTIAL', provides: { event: [], state: [] }, public_key: publicKey }

let acknowledged = 0
while (acknowledged < Number(events)) {
  const texts = [told(source, nodeProfileContents(profile))]
  for (let index = 0; index < 1_000; index += 1) {
    const name = String(Number(first) + acknowledged + index)
    const contents = contentsOf({ name, format: 'csv', location: `file:///${name}` })
    texts.push(told(`orn:data-catalog.dataset:flood/${name}`, contents))
  }
  const payloadText = `{"type":"events_payload","events":[${texts.join(',')}]}`
  await deliver(signEnvelope({ payloadText, source, target }, key))
  acknowledged += 1_000
}
process.stdout.write(JSON.stringify(acknowledged))

async function deliver(body) {
  const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body }
  for (let tries = 1; ; tries += 1) {
    try {
      const response = await fetch(`${url}/koi-net${BROADCAST_EVENTS_PATH}`, request)
      if (response.ok) return
      throw new Error(`answered ${response.status}: ${await response.text()}`)
    } catch (error) {
      // A connection that was kept may close as it is used again, or end with its pod: fetch says TypeError.
      if (!(error instanceof TypeError) || tries === 3) throw error
    }
  }
}
