import { describe, expect, it } from 'vitest'
import { ToolInputError } from '@koi-mcp/core'
import type { AdapterTool, KnowledgeAdapter } from '@koi-mcp/core'
import { asRid, defineRidType } from '@koi-mcp/protocol'
import { stored } from '../../test/fake-node.ts'
import { ObservableAdapter } from './observable-adapter.ts'
import { PrometheusMetrics } from './prometheus-metrics.ts'

const NoteRID = defineRidType('orn:notes.note')
const CONTEXT = { knowledge: {} as never, signal: new AbortController().signal }

const tool = (name: string, call: AdapterTool['call']): AdapterTool => ({
  name,
  title: name,
  description: name,
  inputSchema: { type: 'object' },
  outputSchema: { type: 'object' },
  call,
})

const counted = async (metrics: PrometheusMetrics) =>
  (await metrics.expose()).text.split('\n').filter((line) => line.startsWith('adapter_'))

describe('ObservableAdapter', () => {
  it('counts registrations, calls and errors, and does what the adapter does', async () => {
    const done: unknown[] = []
    const adapter: KnowledgeAdapter = {
      name: 'notes',
      ridTypes: [NoteRID],
      register: ({ rid }) => {
        if (rid.endsWith('bad')) throw new RangeError('any text, such as a RID')
        done.push(rid)
      },
      forget: (rid) => void done.push(['forget', rid]),
      describe: ({ rid }) => ({ name: rid }),
      tools: [
        tool('count', (args) => Promise.resolve({ args })),
        tool('refuse', () => Promise.reject(new ToolInputError('no such note'))),
        tool('fail', () => Promise.reject(new TypeError('a fault'))),
      ],
    }
    const metrics = new PrometheusMetrics()
    const observed = new ObservableAdapter(adapter, metrics)
    const note = stored('orn:notes.note:a', '{}')
    await observed.register?.(note)
    await observed.registerWithMetrics(note)
    await expect(observed.register?.(stored('orn:notes.note:bad', '{}'))).rejects.toThrow(RangeError)
    await observed.forget?.(asRid('orn:notes.note:a'))
    expect(done).toEqual(['orn:notes.note:a', 'orn:notes.note:a', ['forget', 'orn:notes.note:a']])
    expect(observed.describe?.(note)).toEqual({ name: 'orn:notes.note:a' })
    const [count, refuse, fail] = observed.tools ?? []
    expect(await count?.call({ n: 1 }, CONTEXT)).toEqual({ args: { n: 1 } })
    await expect(refuse?.call({}, CONTEXT)).rejects.toThrow(ToolInputError)
    await expect(fail?.call({}, CONTEXT)).rejects.toThrow(TypeError)
    expect(await counted(metrics)).toEqual([
      'adapter_registrations_total{adapter="notes",entity_type="orn:notes.note"} 2',
      'adapter_queries_total{adapter="notes",tool="count"} 1',
      'adapter_queries_total{adapter="notes",tool="refuse"} 1',
      'adapter_queries_total{adapter="notes",tool="fail"} 1',
      'adapter_errors_total{adapter="notes",operation="register",error="RangeError"} 1',
      'adapter_errors_total{adapter="notes",operation="fail",error="TypeError"} 1',
    ])
  })

  it('keeps nothing where the adapter keeps nothing', () => {
    const observed = new ObservableAdapter({ name: 'notes', ridTypes: [NoteRID] })
    expect([observed.register, observed.update, observed.forget, observed.describe, observed.tools]).toEqual(
      Array.from({ length: 5 }, () => undefined),
    )
  })
})
