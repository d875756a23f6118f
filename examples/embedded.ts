// A network inside one application: a coordinator, a producer, and a consumer whose adapter sees what is published.
// Run it in a checkout, after npm ci && npm run build: npx node examples/embedded.ts
import { ConsumerNode, CoordinatorNode, ProducerNode } from '@koi-mcp/core'
import { DataCatalogExtension, DatasetMetadata } from '@koi-mcp/data-catalog'

const baseUrl = 'http://127.0.0.1:0/koi-net' // Port 0 takes any that is free.

const coordinator = new CoordinatorNode({ name: 'coordinator', baseUrl, domains: [new DataCatalogExtension()] })
await coordinator.start()
const firstContact = coordinator.baseUrl

const producer = new ProducerNode({ name: 'publisher', baseUrl, domains: [new DataCatalogExtension()], firstContact })
const consumer = new ConsumerNode({ name: 'reader', baseUrl, domains: [new DataCatalogExtension()], firstContact })

consumer.onChange(({ eventType, rid }) => {
  console.log(`${eventType} ${rid}`)
  if (eventType === 'FORGET') void Promise.all([consumer, producer, coordinator].map((node) => node.stop()))
  else if (rid === 'orn:data-catalog.dataset:published/customer_transactions') void producer.forget(rid)
})

await consumer.start()
await producer.publish(
  new DatasetMetadata({
    name: 'customer_transactions',
    description: 'Daily customer transaction records',
    schema: 'transactions_schema_v1',
    format: 'parquet',
    location: 's3://data-lake/transactions/',
    update_frequency: 'daily',
  }),
)
