import { AjvJsonSchemaValidator } from '@modelcontextprotocol/server/validators/ajv'
import type {
  CallToolResult,
  ContentBlock,
  JsonSchemaType,
  JsonSchemaValidator,
  Tool as ToolDefinition,
  ToolAnnotations,
} from '@modelcontextprotocol/server'
import { ToolInputError } from '@koi-mcp/core'
import type { AdapterTool, JsonSchemaObject, Logger, ToolContext } from '@koi-mcp/core'

import type { McpOutcome } from './mcp-observer.ts'

/** What a call comes to. */
export interface ToolCalled {
  readonly result: CallToolResult
  readonly links: readonly ContentBlock[]
  readonly outcome: McpOutcome
}

/** What a tool found: the structured result, its JSON text where that differs, and links to what it speaks of. */
interface ToolAnswer {
  readonly structured: Readonly<Record<string, unknown>>
  readonly text?: string
  readonly links?: readonly ContentBlock[]
}

/** A tool before it is compiled; an adapter's tool answers with its structured result alone. */
export interface ToolSource extends Omit<AdapterTool, 'call'> {
  readonly annotations?: ToolAnnotations
  answer(args: Readonly<Record<string, unknown>>, context: ToolContext): Promise<ToolAnswer>
}

/** Tools by name, their schemas compiled once and for all requests. */
export class Toolbox {
  readonly definitions: readonly ToolDefinition[]
  readonly #tools = new Map<string, { source: ToolSource; check: JsonSchemaValidator<unknown> }>()
  readonly #log: Logger

  /** @throws Error for two tools of one name, and for an input schema that cannot be compiled */
  constructor(sources: readonly ToolSource[], log: Logger) {
    this.#log = log
    const validator = new AjvJsonSchemaValidator()
    for (const source of sources) {
      if (this.#tools.has(source.name)) throw new Error(`Two tools are named ${source.name}: rename one of them`)
      this.#tools.set(source.name, { source, check: validator.getValidator(source.inputSchema as JsonSchemaType) })
    }
    this.definitions = sources.map(({ name, title, description, inputSchema, outputSchema, annotations }) => ({
      name,
      title,
      description,
      inputSchema: inputSchema as ToolDefinition['inputSchema'],
      outputSchema: outputSchema,
      ...(annotations !== undefined && { annotations }),
    }))
  }

  get names(): string[] {
    return [...this.#tools.keys()]
  }

  /** `undefined` when there is no such tool. What the model can mend is a result with `isError`, never a throw. */
  async call(
    name: string,
    args: Readonly<Record<string, unknown>>,
    context: ToolContext,
  ): Promise<ToolCalled | undefined> {
    const tool = this.#tools.get(name)
    if (tool === undefined) return undefined
    const problem = problemOf(args, tool.source.inputSchema, tool.check)
    if (problem !== undefined) return failure('refused', `Invalid arguments for ${name}: ${problem}`)
    try {
      const { structured, text = JSON.stringify(structured), links = [] } = await tool.source.answer(args, context)
      const result = { content: [{ type: 'text' as const, text }], structuredContent: { ...structured } }
      return { result, links, outcome: 'ok' }
    } catch (error) {
      if (error instanceof ToolInputError) return failure('refused', error.message)
      this.#log.error('An MCP tool failed', { tool: name, error })
      return failure('failed', `${name} failed inside the server. The arguments are fine; try again later.`)
    }
  }
}

export function adapterToolSource(tool: AdapterTool): ToolSource {
  const { name, title, description, inputSchema, outputSchema } = tool
  return {
    ...{ name, title, description, inputSchema, outputSchema },
    answer: async (args, context) => ({ structured: await tool.call(args, context) }),
  }
}

function problemOf(
  args: Readonly<Record<string, unknown>>,
  schema: JsonSchemaObject,
  check: JsonSchemaValidator<unknown>,
): string | undefined {
  const { valid, errorMessage } = check(args)
  if (valid) return undefined
  // The validator does not say which argument is one too many.
  const known = Object.keys(schema.properties ?? {})
  const unknown = Object.keys(args).filter((name) => !known.includes(name))
  if (schema.additionalProperties === false && unknown.length > 0) {
    const taken = known.length === 0 ? 'no arguments' : known.join(', ')
    return `there is no argument ${JSON.stringify(unknown[0]?.slice(0, 100))}; it takes ${taken}`
  }
  return errorMessage.replaceAll(/\bdata(?=[/ ])/g, 'arguments')
}

function failure(outcome: McpOutcome, text: string): ToolCalled {
  return { result: { content: [{ type: 'text', text }], isError: true }, links: [], outcome }
}
