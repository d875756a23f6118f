export { backendOf } from './backend-of.ts'
export type { BackendSettings } from './backend-of.ts'
export { openPostgresStore } from './postgres/open-postgres-store.ts'
export type { PostgresStoreOptions } from './postgres/open-postgres-store.ts'
