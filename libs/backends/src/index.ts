// What opens each server is an export of its own (`./postgres`, `./redis`, `./bullmq`): its client is loaded by those who use it alone.
export { backendOf } from './backend-of.ts'
export type { BackendSettings } from './backend-of.ts'
