import { existsSync } from 'node:fs'
import { DomainExtension, HandlerType, PermanentError, ProducerNode, TransientError } from '@koi-mcp/core'
import type { KnowledgeProcessor } from '@koi-mcp/core'
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

/** A producer as a process of its own, whose one handler fails as long as there is a file of the name in `BROKEN`. */
const NoteRID = defineRidType('orn:notes.note')

class Notes extends DomainExtension {
  readonly name = 'notes'
  override get ridTypes() {
    return [NoteRID]
  }
  override registerHandlers(processor: KnowledgeProcessor): void {
    processor.registerHandler(HandlerType.Bundle, { ridTypes: [NoteRID] }, (_, kobj) => {
      if (!existsSync(process.env['BROKEN'] ?? '')) return
      if (kobj.rid.endsWith('busy')) throw new TransientError('the index is busy', { delayMs: 1 })
      throw new PermanentError('the index is gone')
    })
  }
}

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
