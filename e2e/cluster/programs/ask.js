// ask.js URL SECONDS: an MCP client reads for so long; prints how many of its requests were answered, by method. A connection may be lost.
import { setTimeout as wait } from 'node:timers/promises'

const [url, seconds] = process.argv.slice(2)
const until = Date.now() + Number(seconds) * 1000
const REVISION = '2026-07-28'
const _meta = {
  'io.modelcontextprotocol/protocolVersion': REVISION,
  'io.modelcontextprotocol/clientInfo': { name: 'ask', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
}
const answered = {}

async function ask(method, params = {}) {
  const name = params.name ?? params.uri
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${process.env.TOKEN}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': REVISION,
      'mcp-method': method,
      ...(name && { 'mcp-name': name }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }),
  })
  const { result, error } = await response.json()
  if (error !== undefined) throw new Error(`${method} was answered ${response.status}: ${JSON.stringify(error)}`)
  answered[method] = (answered[method] ?? 0) + 1
  return result
}

async function askAll() {
  const { resources } = await ask('resources/list')
  await ask('resources/read', { uri: resources[0].uri })
  await ask('tools/call', { name: 'list_datasets', arguments: {} })
  await ask('tools/call', { name: 'search_knowledge', arguments: { query: 'planets' } })
}

while (Date.now() < until) {
  await askAll().catch((error) => {
    if (!error.cause) throw error
  })
  await wait(250)
}
process.stdout.write(JSON.stringify(answered))
