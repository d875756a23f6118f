import { Module } from '@nestjs/common'
import type { DynamicModule } from '@nestjs/common'
import type { ConsumerNode } from '@koi-mcp/core'
import {
  BackupController,
  DeadLettersController,
  HealthModule,
  KnowledgeController,
  ServiceModule,
} from '@koi-mcp/platform'
import type { Service } from '@koi-mcp/platform'
import { McpController } from './mcp/mcp.controller.ts'
import { McpEndpoint } from './mcp/mcp-endpoint.ts'

/** KOI-net, health, a look into the node, and MCP. */
@Module({})
export class AppModule {
  static for(service: Service<ConsumerNode>, mcp: McpEndpoint): DynamicModule {
    return {
      module: AppModule,
      imports: [ServiceModule.for(service), HealthModule],
      providers: [{ provide: McpEndpoint, useValue: mcp }],
      controllers: [BackupController, DeadLettersController, KnowledgeController, McpController],
    }
  }
}
