export { openPostgresStore } from './postgres/open-postgres-store.ts'
export type { PostgresStoreOptions } from './postgres/open-postgres-store.ts'
export { openRedisStore } from './redis/open-redis-store.ts'
export type { RedisStoreOptions } from './redis/open-redis-store.ts'
