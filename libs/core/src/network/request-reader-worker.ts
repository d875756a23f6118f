/** The thread of a `RequestReader`: reads one request after the other. */
import { constants, getPriority, setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { packRequest } from './read-request.ts'
import type { ReadOrder } from './request-reader.ts'

// Where processors are few, whoever asks for something small comes first. On Linux a priority is a thread's own; elsewhere it is the process's.
// Always less urgent than this process, never a fixed number: where that is more urgent than it was started with, it is not allowed.
if (process.platform === 'linux') setPriority(Math.min(getPriority() + 5, constants.priority.PRIORITY_LOW))

parentPort?.on('message', ({ path, body, limits }: ReadOrder) => {
  const packed = packRequest(path, body, limits)
  const texts = packed.error === undefined ? [packed.claim.signedText, packed.claim.receivedText] : []
  parentPort?.postMessage(
    packed,
    texts.flatMap((text) => (text instanceof Uint8Array ? [text.buffer as ArrayBuffer] : [])),
  )
})
