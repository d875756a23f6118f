import { runService } from '@koi-mcp/platform'
import { coordinator } from './coordinator.ts'

process.exit(await runService(coordinator, process))
