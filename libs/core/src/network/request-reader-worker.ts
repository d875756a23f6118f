/** The thread of a `RequestReader`: reads one request after the other. */
import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { packRequest } from './read-request.ts'
import type { ReadOrder } from './request-reader.ts'

// Where processors are few, whoever asks for something small comes first. On Linux a priority is a thread's own; elsewhere it is the process's.
if (process.platform === 'linux') setPriority(5)

parentPort?.on('message', ({ path, body, limits }: ReadOrder) => {
  const packed = packRequest(path, body, limits)
  const texts = packed.error === undefined ? [packed.claim.signedText, packed.claim.receivedText] : []
  parentPort?.postMessage(
    packed,
    texts.flatMap((text) => (text instanceof Uint8Array ? [text.buffer as ArrayBuffer] : [])),
  )
})
