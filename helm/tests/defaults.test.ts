import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { HELMS, helm, CHART, render } from './chart.ts'

describe.for(HELMS)('%s, with no values at all', (name) => {
  test('makes a coordinator, a producer with examples, a gateway, a Postgres and a Valkey', async () => {
    const chart = await render(name)
    expect(chart.names('Deployment')).toEqual([
      'koi-koi-mcp-coordinator',
      'koi-koi-mcp-gateway',
      'koi-koi-mcp-producer-example',
    ])
    expect(chart.names('StatefulSet')).toEqual(['koi-koi-mcp-postgres', 'koi-koi-mcp-valkey'])
    expect(chart.names('Ingress')).toEqual([])
  })

  test('passes the linter, strictly', async () => {
    const { code, stdout, stderr } = await helm(name, ['lint', '--strict', CHART])
    expect({ code, text: `${stdout}${stderr}` }).toMatchObject({
      code: 0,
      text: expect.stringContaining('1 chart(s) linted, 0 chart(s) failed'),
    })
  })

  test('takes the values for production that its README gives', async () => {
    const [, values = ''] = /```yaml\n(.*?)```/s.exec(readFileSync(join(CHART, 'README.md'), 'utf8')) ?? []
    const chart = await render(name, parse(values) as object)
    expect(chart.names('Deployment')).toContain('koi-koi-mcp-producer-sales')
    expect(chart.names('StatefulSet')).toEqual([])
    expect(chart.names('Ingress')).toEqual(['koi-koi-mcp-gateway'])
  })
})
