export { describeHistories } from './histories-suite.ts'
export { describeNodeStore } from './node-store-suite.ts'
export type { NodeStoreSubject } from './node-store-suite.ts'
