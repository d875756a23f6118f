import { runService } from '@koi-mcp/platform'
import { mcpGateway } from './mcp-gateway.ts'

process.exit(await runService(mcpGateway, process))
