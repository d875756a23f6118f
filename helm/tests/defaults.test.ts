import { describe, expect, test } from 'vitest'
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
})
