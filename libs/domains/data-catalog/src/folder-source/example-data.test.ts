import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { ProducerNode } from '@koi-mcp/core'
import type { JsonObject } from '@koi-mcp/protocol'
import { columnNames } from '../dataset-summary.ts'
import { DataCatalogExtension } from '../data-catalog-extension.ts'
import { DatasetRID, DataSchemaRID } from '../rid-types.ts'
import { FolderSource } from './folder-source.ts'

const EXAMPLES = fileURLToPath(new URL('../../../../../examples/data', import.meta.url))

it('catalogues the example data with a real node', async () => {
  const node = new ProducerNode({
    name: 'producer',
    baseUrl: 'http://127.0.0.1:0/koi-net',
    listen: false,
    domains: [new DataCatalogExtension()],
  })
  await node.start()
  onTestFinished(() => node.stop())
  const source = new FolderSource({ folder: EXAMPLES, name: 'examples', publisher: node })
  onTestFinished(() => source.stop())
  await source.start()
  await source.idle()
  await node.idle()
  expect(source.progress).toEqual({ done: 5, total: 5, failed: 0 })
  const datasets = await node.knowledge.listBundles({ types: [DatasetRID.name] })
  expect(datasets.map(({ rid, bundle }) => [rid, ...shapeOf(bundle.contents.value)])).toEqual([
    ['orn:data-catalog.dataset:examples/capitals.json', 'json', 35, 'country iso_3166_1 capital continent'],
    [
      'orn:data-catalog.dataset:examples/elements.tsv',
      'tsv',
      36,
      'atomic_number symbol name standard_atomic_weight period group',
    ],
    ['orn:data-catalog.dataset:examples/moons.jsonl', 'jsonl', 22, 'name planet discovered discoverer'],
    [
      'orn:data-catalog.dataset:examples/planets.csv',
      'csv',
      8,
      'name order_from_sun mean_radius_km mass_e24_kg mean_distance_million_km orbital_period_days discovered',
    ],
    ['orn:data-catalog.dataset:examples/si-prefixes.parquet', 'parquet', 24, 'prefix symbol power_of_ten adopted'],
  ])
  expect(await node.knowledge.listRids({ types: [DataSchemaRID.name] })).toHaveLength(5)
})

function shapeOf(contents: JsonObject): unknown[] {
  return [contents['format'], contents['rows'], columnNames(contents).join(' ')]
}
