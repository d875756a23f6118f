import { Module } from '@nestjs/common'
import type { DynamicModule } from '@nestjs/common'
import type { ProducerNode } from '@koi-mcp/core'
import {
  BackupController,
  DeadLettersController,
  HealthModule,
  KnowledgeController,
  PublishController,
  ServiceModule,
} from '@koi-mcp/platform'
import type { Service } from '@koi-mcp/platform'

/** KOI-net, health, a look into the node, and publishing over HTTP. */
@Module({})
export class AppModule {
  static for(service: Service<ProducerNode>): DynamicModule {
    return {
      module: AppModule,
      imports: [ServiceModule.for(service), HealthModule],
      controllers: [BackupController, DeadLettersController, KnowledgeController, PublishController],
    }
  }
}
