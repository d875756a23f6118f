import { runService } from '@koi-mcp/platform'
import { producer } from './producer.ts'

process.exit(await runService(producer, process))
