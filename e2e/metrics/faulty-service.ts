import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DomainExtension, HandlerType, PermanentError, ProducerNode, TransientError } from '@koi-mcp/core'
import type { KnowledgeAdapter, KnowledgeProcessor } from '@koi-mcp/core'
import {
  DeadLettersController,
  HealthModule,
  KnowledgeController,
  nodeOptions,
  PublishController,
  runService,
  ServiceModule,
} from '@koi-mcp/platform'
import type { ServiceDefinition } from '@koi-mcp/platform'
import { defineRidType } from '@koi-mcp/protocol'

// A producer as a process of its own that does wrong as long as there are files of these names in the folder FAULTS:
//   hang   its handler does not come to an end
//   block  it stands still for half of the time
//   hoard  its heap is all but full
// It always fails for good on `…poison`, and on `…busy` at the first attempt; its adapter fails on `…rejected`.
const has = (fault: 'hang' | 'block' | 'hoard'): boolean => existsSync(join(process.env['FAULTS'] ?? '', fault))

const NoteRID = defineRidType('orn:notes.note')

class Notes extends DomainExtension {
  readonly name = 'notes'
  override get ridTypes() {
    return [NoteRID]
  }
  override get adapters(): readonly KnowledgeAdapter[] {
    const register = ({ rid }: { rid: string }): void => {
      if (rid.endsWith('rejected')) throw new RangeError('there is no room')
    }
    return [{ name: 'notes', ridTypes: [NoteRID], register }]
  }
  override registerHandlers(processor: KnowledgeProcessor): void {
    processor.registerHandler(HandlerType.Bundle, { ridTypes: [NoteRID] }, async ({ attempt, signal }, { rid }) => {
      if (rid.endsWith('poison')) throw new PermanentError('the index is gone')
      if (rid.endsWith('busy') && attempt === 1) throw new TransientError('the index is busy', { delayMs: 1 })
      while (has('hang') && !signal.aborted) await sleep(50)
    })
  }
}

setInterval(() => {
  const until = performance.now() + 700
  while (has('block') && performance.now() < until);
}, 900)

/** As its `--max-old-space-size` says. */
const HEAP_BYTES = 300 * 1024 * 1024
let hoard: number[][] = []
setInterval(() => {
  if (!has('hoard')) hoard = []
  while (has('hoard') && process.memoryUsage().heapUsed < 0.93 * HEAP_BYTES) {
    hoard.push(Array.from({ length: 100_000 }, () => Math.random()))
  }
}, 100)

class AppModule {}

const service: ServiceDefinition<ProducerNode> = {
  role: 'producer',
  domains: ['notes'],
  createNode: (context) => new ProducerNode(nodeOptions(context, [new Notes()])),
  assemble: (running) => ({
    module: {
      module: AppModule,
      imports: [ServiceModule.for(running), HealthModule],
      controllers: [DeadLettersController, KnowledgeController, PublishController],
    },
  }),
}

process.exit(await runService(service, process))
