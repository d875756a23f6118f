// load.js URL SECONDS: clients publish, update and forget datasets of their own, each request until it is acknowledged.
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
    return response.status
  } catch (error) {
    if (error instanceof TypeError && !error.cause) throw error
    return 'no answer'
  }
}

async function untilAcknowledged(path, body, key) {
  for (;;) {
    const status = await post(path, body, `${run}-${key}`)
    if (status === 200) break
    refused[status] = (refused[status] ?? 0) + 1
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
