import { describe, expect, test } from 'vitest'

import { newClientInSession, newClientStateless, oldClient } from '../test/clients.ts'
import type { AnyClient } from '../test/clients.ts'
import { TIMESTAMP } from '../test/fake-knowledge.ts'
import { served, until } from '../test/served.ts'

// The newer client reads both codes of a resource not found as -32602.
const CLIENTS: [string, string, number, (url: URL) => Promise<AnyClient>][] = [
  ['SDK 1.32', '2025-11-25', -32002, oldClient],
  ['client 2.4 in a session', '2025-11-25', -32602, newClientInSession],
  ['client 2.4, stateless', '2026-07-28', -32602, newClientStateless],
]

const ODD_RIDS = [
  'orn:data-catalog.dataset:a b/50% #1*[x]/ü.csv',
  'https://x.org/a?b#c',
  'https://X.org:443/../a//b?%20#',
  'orn:data-catalog.dataset:50%25/a%20b+c',
  'orn:data-catalog.dataset:日本語/🦊 "quoted" \\ back',
  'orn:x.y: leading and trailing ',
]

describe.each(CLIENTS)('%s, revision %s', (_name, revision, notFound, connect) => {
  test('introduces itself', async () => {
    const { url } = await served()
    const { sdk, revision: spoken } = await connect(url)
    expect(spoken()).toBe(revision)
    expect(sdk.getServerVersion()).toEqual({ name: 'test-gateway', version: '1.2.3', title: 'KOI-MCP' })
    expect(sdk.getServerCapabilities()).toEqual({ resources: { subscribe: true, listChanged: true }, tools: {} })
    expect(sdk.getInstructions()).toContain('Types of knowledge here: orn:data-catalog.dataset, https.')
    expect(sdk.getInstructions()).toContain('Tools: search_knowledge, get_knowledge, count_rows.')
  })

  test('lists what is known, described by its adapter, in byte order', async () => {
    const { knowledge, url, logged } = await served()
    const { sdk } = await connect(url)
    knowledge.put('orn:data-catalog.dataset:b', { name: 'Births', description: 'By year' }, 'orn:koi-net.node:p+0')
    knowledge.put('orn:data-catalog.dataset:a', { name: 'indescribable' })
    const { bundle } = knowledge.put('https://x.org/a?b#c', '{"n": 1.0}')
    const [web, indescribable, births] = (await sdk.listResources()).resources
    expect(web).toEqual({
      uri: 'https://x.org/a?b#c',
      name: '//x.org/a?b#c',
      mimeType: 'application/json',
      size: 10,
      annotations: { lastModified: TIMESTAMP },
      _meta: {
        'koi-mcp/manifest': {
          rid: 'https://x.org/a?b#c',
          sha256_hash: bundle.manifest.sha256_hash,
          timestamp: TIMESTAMP,
        },
      },
    })
    expect(indescribable).toMatchObject({ uri: 'orn:data-catalog.dataset:a', name: 'a' })
    expect(births).toMatchObject({
      uri: 'orn:data-catalog.dataset:b',
      name: 'Births',
      title: 'Dataset Births',
      description: 'By year',
      _meta: { 'koi-mcp/manifest': { origin: 'orn:koi-net.node:p+0' } },
    })
    expect(logged.filter(({ level }) => level === 'error').map(({ fields }) => fields?.['rid'])).toEqual([
      'orn:data-catalog.dataset:a',
    ])
  })

  test.each(ODD_RIDS)('reads %s byte for byte', async (rid) => {
    const { knowledge, url } = await served()
    const { sdk } = await connect(url)
    const text = '{ "x": 1.0, "big": 12345678901234567890, "nul": "\\u0000", "2": 1, "1": 2 }'
    knowledge.put(rid, text)
    const { resources } = await sdk.listResources()
    expect(resources.map(({ uri }) => uri)).toEqual([rid])
    const { contents } = await sdk.readResource({ uri: rid })
    expect(contents).toEqual([{ uri: rid, mimeType: 'application/json', text, _meta: resources[0]!._meta }])
  })

  test('says in its own words that a resource is not found', async () => {
    const { url } = await served()
    const { sdk } = await connect(url)
    const uri = 'orn:data-catalog.dataset:nothing'
    await expect(sdk.readResource({ uri })).rejects.toMatchObject({ code: notFound, data: { uri } })
  })

  test('pages over 250 resources, and refuses a cursor that it did not give', async () => {
    const { knowledge, url } = await served()
    const { sdk } = await connect(url)
    const rids = Array.from({ length: 250 }, (_, i) => `orn:data-catalog.dataset:${String(i).padStart(3, '0')}%ü`)
    for (const rid of rids.toReversed()) knowledge.put(rid, { name: rid })
    const pages: string[][] = []
    let cursor: string | undefined
    do {
      const page = await sdk.listResources(cursor === undefined ? {} : { cursor })
      pages.push(page.resources.map(({ uri }) => uri))
      cursor = page.nextCursor
    } while (cursor !== undefined && pages.length < 10)
    expect(pages.flat()).toEqual(rids)
    if (pages.length > 1) expect(pages.map(({ length }) => length)).toEqual([100, 100, 50])
    await expect(sdk.listResources({ cursor: 'YWZ0ZXI6eA' })).rejects.toMatchObject({ code: -32602 })
    await expect(sdk.listResources({ cursor: '' })).rejects.toMatchObject({ code: -32602 })
  })

  test('offers a template for each type', async () => {
    const { url } = await served()
    const { sdk } = await connect(url)
    const { resourceTemplates } = await sdk.listResourceTemplates()
    expect(resourceTemplates.map(({ name, uriTemplate }) => [name, uriTemplate])).toEqual([
      ['orn:data-catalog.dataset', 'orn:data-catalog.dataset:{+reference}'],
      ['https', 'https:{+reference}'],
    ])
  })

  test('offers the tools with their schemas', async () => {
    const { url } = await served()
    const { sdk } = await connect(url)
    const { tools } = await sdk.listTools()
    expect(tools.map(({ name, inputSchema }) => [name, inputSchema.required])).toEqual([
      ['search_knowledge', ['query']],
      ['get_knowledge', ['rid']],
      ['count_rows', ['rid']],
    ])
    expect(tools.map(({ outputSchema }) => outputSchema?.['type'])).toEqual(['object', 'object', 'object'])
  })

  test('searches, and links to what it found', async () => {
    const { knowledge, url } = await served()
    const { sdk } = await connect(url)
    await sdk.listTools()
    knowledge.put('orn:data-catalog.dataset:a b.csv', { name: 'Births' })
    knowledge.put('https://x.org/', { name: 'Births too' })
    const result = {
      rid: 'orn:data-catalog.dataset:a b.csv',
      type: 'orn:data-catalog.dataset',
      name: 'Births',
      title: 'Dataset Births',
      timestamp: TIMESTAMP,
      snippet: '…Births…',
    }
    const structured = { total: 1, results: [result] }
    const answer = await sdk.callTool({
      name: 'search_knowledge',
      arguments: { query: 'Births', types: ['orn:data-catalog.dataset'], limit: 5 },
    })
    expect(answer.structuredContent).toEqual(structured)
    expect(answer.content).toEqual([
      { type: 'text', text: JSON.stringify(structured) },
      {
        type: 'resource_link',
        uri: result.rid,
        name: 'Births',
        title: 'Dataset Births',
        mimeType: 'application/json',
      },
    ])
  })

  test('gets one piece of knowledge with its text as it is', async () => {
    const { knowledge, url } = await served()
    const { sdk } = await connect(url)
    await sdk.listTools()
    const text = '{"n": 12345678901234567890, "one": 1.0}'
    const { bundle } = knowledge.put(ODD_RIDS[0]!, text, 'orn:koi-net.node:p+0')
    const answer = await sdk.callTool({ name: 'get_knowledge', arguments: { rid: ODD_RIDS[0] } })
    const about = {
      rid: ODD_RIDS[0],
      type: 'orn:data-catalog.dataset',
      sha256_hash: bundle.manifest.sha256_hash,
      timestamp: TIMESTAMP,
      origin: 'orn:koi-net.node:p+0',
    }
    expect(answer.structuredContent).toEqual({ ...about, contents: JSON.parse(text) as unknown })
    expect(answer.content).toEqual([
      { type: 'text', text: `${JSON.stringify(about).slice(0, -1)},"contents":${text}}` },
    ])
  })

  test.each([
    ['count_rows', { rid: 'orn:data-catalog.dataset:gone' }, 'There is no dataset orn:data-catalog.dataset:gone.'],
    ['count_rows', { rid: 1 }, 'Invalid arguments for count_rows: arguments/rid must be string'],
    [
      'count_rows',
      { rid: 'x', row: 1 },
      'Invalid arguments for count_rows: there is no argument "row"; it takes rid, exact',
    ],
    ['search_knowledge', {}, "Invalid arguments for search_knowledge: arguments must have required property 'query'"],
    [
      'search_knowledge',
      { query: 'x', limit: 51 },
      'Invalid arguments for search_knowledge: arguments/limit must be <= 50',
    ],
    [
      'search_knowledge',
      { query: 'x', types: ['dataset'] },
      'There is no knowledge of type "dataset": known types are orn:data-catalog.dataset.',
    ],
    ['get_knowledge', { rid: 'x' }, 'Nothing is known by the RID "x". Find RIDs with search_knowledge.'],
  ])('%s of %j tells the model what to mend', async (name, args, text) => {
    const { knowledge, url } = await served()
    const { sdk } = await connect(url)
    knowledge.put('orn:data-catalog.dataset:a', { name: 'A' })
    const answer = await sdk.callTool({ name, arguments: args })
    expect(answer).toMatchObject({ isError: true, content: [{ type: 'text', text }] })
  })

  test("calls an adapter's tool, and refuses one that is not there", async () => {
    const { knowledge, url } = await served()
    const { sdk } = await connect(url)
    knowledge.put('orn:data-catalog.dataset:a', { rows: 7 })
    const answer = await sdk.callTool({ name: 'count_rows', arguments: { rid: 'orn:data-catalog.dataset:a' } })
    expect(answer).toMatchObject({ structuredContent: { rows: 7 }, content: [{ type: 'text', text: '{"rows":7}' }] })
    await expect(sdk.callTool({ name: 'drop_table', arguments: {} })).rejects.toMatchObject({ code: -32602 })
  })

  test('says nothing of the inside when it fails', async () => {
    const { knowledge, url, logged } = await served()
    const { sdk } = await connect(url)
    knowledge.broken = Object.assign(new Error('secret: disk at /var/x'), { code: 17 })
    const failed = { code: -32603, message: expect.stringMatching(/Internal error$/) as string }
    await expect(sdk.listResources()).rejects.toMatchObject(failed)
    await expect(sdk.readResource({ uri: 'https://x.org/' })).rejects.toMatchObject(failed)
    const answer = await sdk.callTool({ name: 'get_knowledge', arguments: { rid: 'https://x.org/' } })
    expect(answer).toMatchObject({
      isError: true,
      content: [{ text: 'get_knowledge failed inside the server. The arguments are fine; try again later.' }],
    })
    const errors = logged.filter(({ level }) => level === 'error').map(({ fields }) => fields?.['error'])
    expect(errors).toEqual([knowledge.broken, knowledge.broken, knowledge.broken])
  })

  test('tells subscribers that a bundle changed, went, and came again', async () => {
    const { knowledge, url } = await served()
    const rid = ODD_RIDS[0]!
    knowledge.put(rid, { v: 1 })
    knowledge.put('orn:data-catalog.dataset:other', { v: 1 })
    const { sdk, told, follow } = await connect(url)
    await follow([rid])
    knowledge.put('orn:data-catalog.dataset:other', { v: 2 })
    knowledge.put(rid, { v: 2 })
    await until(() => told.length === 1)
    expect(told).toEqual([rid])
    expect((await sdk.readResource({ uri: rid })).contents).toMatchObject([{ text: '{"v":2}' }])

    knowledge.forget(rid)
    await until(() => told.length === 3)
    expect(told.slice(1).toSorted()).toEqual(['list', rid])
    await expect(sdk.readResource({ uri: rid })).rejects.toMatchObject({ code: notFound })

    knowledge.put(rid, { v: 3 })
    await until(() => told.length === 5)
    expect(told.slice(3).toSorted()).toEqual(['list', rid])
  })

  test('tells of many that come at once in few words', async () => {
    const { knowledge, url } = await served()
    const { told, follow } = await connect(url)
    await follow([])
    for (let i = 0; i < 500; i++) knowledge.put(`orn:data-catalog.dataset:${i}`, {})
    await until(() => told.length > 0)
    // What comes after is told of too.
    const before = told.length
    knowledge.put('orn:data-catalog.dataset:last', {})
    await until(() => told.length > before)
    expect(told.length).toBeLessThan(5)
  })

  test('follows a resource by the percent-encoded URI of a client that rewrites it', async () => {
    const { knowledge, url } = await served()
    knowledge.put('orn:data-catalog.dataset:a b', { v: 1 })
    const { sdk, told, follow } = await connect(url)
    const uri = 'orn:data-catalog.dataset:a%20b'
    expect((await sdk.readResource({ uri })).contents).toMatchObject([{ uri: 'orn:data-catalog.dataset:a b' }])
    await follow([uri])
    knowledge.put('orn:data-catalog.dataset:a b', { v: 2 })
    await until(() => told.length > 0)
    expect(told).toEqual([uri])
  })
})
