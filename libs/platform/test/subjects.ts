import { Module } from '@nestjs/common'
import { CoordinatorNode, silentLogger } from '@koi-mcp/core'
import type { LogFields, Logger } from '@koi-mcp/core'
import { KoiMcpSettings, KnowledgeController, ServiceModule, startService } from '../src/index.ts'

@Module({})
class CarryingModule {}

/** A real node and its server. Anyone may change knowledge there: what is refused is refused for what it is. */
export interface Subject {
  readonly url: string
  readonly node: CoordinatorNode
  /** What it has logged of what it refuses. */
  readonly lines: (readonly [message: string, fields: LogFields | undefined])[]
  stop(): Promise<void>
}

function optionsOf(lines: Subject['lines']) {
  const note = (message: string, fields?: LogFields) => void lines.push([message, fields])
  const log: Logger = { ...silentLogger, info: note, warn: note, error: note }
  return { name: 'target', security: { authority: 'open' }, log } as const
}

async function ownServer(): Promise<Subject> {
  const lines: Subject['lines'] = []
  const node = new CoordinatorNode({ ...optionsOf(lines), baseUrl: 'http://127.0.0.1:0/koi-net' })
  await node.start()
  return { url: new URL(node.baseUrl!).origin, node, lines, stop: () => node.stop() }
}

async function service(): Promise<Subject> {
  const lines: Subject['lines'] = []
  const options = optionsOf(lines)
  const settings = new KoiMcpSettings()
  settings.node.port = 0
  const { service: running, stop } = await startService<CoordinatorNode>(
    {
      role: 'coordinator',
      createNode: ({ baseUrl }) => new CoordinatorNode({ ...options, baseUrl, listen: false }),
      assemble: (made) => ({
        module: { module: CarryingModule, imports: [ServiceModule.for(made)], controllers: [KnowledgeController] },
      }),
    },
    settings,
    options.log,
  )
  return { url: running.url, node: running.node, lines, stop }
}

export const SUBJECTS: readonly (readonly [name: string, start: () => Promise<Subject>])[] = [
  ['a server of its own', ownServer],
  ['a service', service],
]
