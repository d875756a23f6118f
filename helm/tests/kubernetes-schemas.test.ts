import { describe, expect, test } from 'vitest'
import { HELMS, render, EXTRA_APIS } from './chart.ts'
import { faultsOf } from './object-rules.ts'
import { schemaFaults } from './kubernetes-schemas.ts'
import { EVERYTHING } from './values.ts'

type Tree = Record<string, unknown>

/** Paths of all objects in a tree. */
function pathsOf(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return []
  const below = Object.entries(value).flatMap(([key, child]) => pathsOf(child, [...path, key]))
  return Array.isArray(value) ? below : [path, ...below]
}

const at = (tree: unknown, path: readonly string[]) => path.reduce((inner, key) => (inner as Tree)[key], tree) as Tree

/** Maps, in which any key is a field: labels and their kind, files, amounts. */
const MAPS = new Set(['labels', 'annotations', 'matchLabels', 'data', 'requests', 'limits', 'selector', 'nodeSelector'])
const isMap = (path: readonly string[]) =>
  MAPS.has(path.at(-1) ?? '') || (path.at(-1) === 'metadata' && path.includes('triggers'))

// What the rules see in every rendering is shown on one that has all kinds.
describe.skipIf(HELMS.length === 0)('a schema', () => {
  test('knows every field that the chart uses, and refuses any other wherever it stands', async () => {
    const { objects } = await render(HELMS.at(-1)!, EVERYTHING, { apis: EXTRA_APIS })
    const taken: string[] = []
    let tried = 0
    for (const object of objects) {
      for (const path of pathsOf(object)) {
        if (isMap(path) && !(path.at(-1) === 'selector' && object.kind !== 'Service')) continue
        const changed = structuredClone(object)
        at(changed, path)['notAField'] = 'x'
        tried++
        if (schemaFaults(changed).length === 0) taken.push(`${object.kind} ${path.join('/')}`)
      }
    }
    expect(taken).toEqual([])
    expect(tried).toBeGreaterThan(500)
  })

  test.each<[string, (deployment: Tree) => void, RegExp]>([
    ['a wrong type', (tree) => (at(tree, ['spec'])['replicas'] = 'two'), /replicas must be integer/],
    ['a missing field', (tree) => delete at(tree, ['spec'])['selector'], /required property selector/],
    ['a null', (tree) => (at(tree, ['spec'])['replicas'] = null), /replicas is null/],
    ['an unknown kind', (tree) => (tree['kind'] = 'Deploymint'), /no kind that the chart may make/],
  ])('refuses %s', async (_what, change, fault) => {
    const { objects } = await render(HELMS.at(-1)!)
    const deployment = structuredClone(objects.find(({ kind }) => kind === 'Deployment')!)
    change(deployment)
    expect(schemaFaults(deployment).join('\n')).toMatch(fault)
  })
})

describe.skipIf(HELMS.length === 0)('the rules for every rendering', () => {
  const CONTAINER = ['spec', 'template', 'spec', 'containers', '0']
  test.each<[string, (deployment: Tree) => void, RegExp]>([
    [
      'a variable twice',
      (tree) => void (at(tree, CONTAINER)['env'] as Tree[]).push({ name: 'KOI_MCP_QUEUE__REDIS_URL' }),
      /variable twice/,
    ],
    [
      'root',
      (tree) => (at(tree, ['spec', 'template', 'spec', 'securityContext'])['runAsNonRoot'] = false),
      /may run as root/,
    ],
    [
      'a writable root',
      (tree) => (at(tree, [...CONTAINER, 'securityContext'])['readOnlyRootFilesystem'] = false),
      /write to its root/,
    ],
    [
      'a capability',
      (tree) => (at(tree, [...CONTAINER, 'securityContext'])['capabilities'] = { drop: ['ALL'], add: ['NET_ADMIN'] }),
      /has capabilities/,
    ],
    [
      'a token of Kubernetes',
      (tree) => (at(tree, ['spec', 'template', 'spec'])['automountServiceAccountToken'] = true),
      /mounts a token/,
    ],
    [
      'a mount without a volume',
      (tree) => void (at(tree, CONTAINER)['volumeMounts'] as Tree[]).push({ name: 'x', mountPath: '/x' }),
      /x, which is no volume/,
    ],
    ['a selector of nothing', (tree) => (at(tree, ['spec', 'selector', 'matchLabels'])['x'] = 'y'), /selects no pod/],
    [
      'no limit of memory',
      (tree) => (at(tree, CONTAINER)['resources'] = { requests: { cpu: 1 } }),
      /no limit of memory/,
    ],
  ])('refuse %s', async (_what, change, fault) => {
    const { objects } = await render(HELMS.at(-1)!)
    const deployment = structuredClone(objects.find(({ kind }) => kind === 'Deployment')!)
    expect(faultsOf([deployment])).toEqual([])
    change(deployment)
    expect(faultsOf([deployment]).join('\n')).toMatch(fault)
  })

  test('refuse an object that is made twice', async () => {
    const { objects } = await render(HELMS.at(-1)!)
    expect(faultsOf([...objects, objects[0]!]).join('\n')).toMatch(/is made twice/)
  })
})
