import { Module } from '@nestjs/common'
import type { DynamicModule } from '@nestjs/common'
import type { CoordinatorNode } from '@koi-mcp/core'
import {
  BackupController,
  DeadLettersController,
  HealthModule,
  KnowledgeController,
  ServiceModule,
} from '@koi-mcp/platform'
import type { Service } from '@koi-mcp/platform'
import { RegistryController } from './registry/registry.controller.ts'

/** KOI-net, health, a look into the node, and the registry. */
@Module({})
export class AppModule {
  static for(service: Service<CoordinatorNode>): DynamicModule {
    return {
      module: AppModule,
      imports: [ServiceModule.for(service), HealthModule],
      controllers: [BackupController, DeadLettersController, KnowledgeController, RegistryController],
    }
  }
}
