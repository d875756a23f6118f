// load.js URL SECONDS: clients publish, update and forget datasets of their own, each request until it is acknowledged. What was refused is counted by
// status and reason.
import { setTimeout as wait } from 'node:timers/promises'

const [url, seconds] = process.argv.slice(2)
const run = Math.random().toString(36).slice(2, 8)
const until = Date.now() + Number(seconds) * 1000
const held = {}
const refused = {}
let acknowledged = 0

async function post(path, body, key) {
  try {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${process.env.TOKEN}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(60_000),
    })
    const text = await response.text()
    if (response.status >= 400 && response.status < 500)
      throw new TypeError(`${path} answered ${response.status}: ${text}`)
    return response.status === 200 ? undefined : `${response.status} ${text.slice(0, 200)}`
  } catch (error) {
    if (error instanceof TypeError && !error.cause) throw error
    return `no answer: ${error.cause?.code ?? error.message}`
  }
}

async function untilAcknowledged(path, body, key) {
  for (;;) {
    const refusal = await post(path, body, `${run}-${key}`)
    if (refusal === undefined) break
    refused[refusal] = (refused[refusal] ?? 0) + 1
    await wait(100)
  }
  acknowledged += 1
}

async function client(number) {
  for (let turn = 0; Date.now() < until; turn += 1) {
    const name = `client_${number}_${Math.floor(Math.random() * 8)}`
    const rid = `orn:data-catalog.dataset:published/${name}`
    if (held[rid] !== undefined && Math.random() < 1 / 4) {
      await untilAcknowledged('/forget', { rid }, `${number}-${turn}`)
      delete held[rid]
    } else {
      const location = `file:///${run}/${name}/${turn}`
      await untilAcknowledged(
        '/publish',
        { schema: 'DatasetMetadata', object: { name, format: 'csv', location } },
        `${number}-${turn}`,
      )
      held[rid] = location
    }
    await wait(20)
  }
}

await Promise.all([0, 1, 2, 3].map(client))
process.stdout.write(JSON.stringify({ acknowledged, refused, held }))
