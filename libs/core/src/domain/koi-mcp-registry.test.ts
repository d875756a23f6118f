import { describe, expect, it } from 'vitest'
import { defineRidType } from '@koi-mcp/protocol'
import { HandlerType } from '../pipeline/handler.ts'
import type { KnowledgeProcessor } from '../pipeline/handler.ts'
import type { KnowledgeAdapter } from './adapter.ts'
import { DomainExtension } from './domain-extension.ts'
import { KoiMcpRegistry } from './koi-mcp-registry.ts'
import type { SchemaRegistration, TransformerRegistration } from './schema-registry.ts'

const PLACE = defineRidType('orn:test.place')

class Place {}
class Label {}

class Places extends DomainExtension {
  override readonly name: string = 'places'
  override get ridTypes() {
    return [PLACE]
  }
  override get schemas(): SchemaRegistration[] {
    return [{ schema: Place, ridType: PLACE }, Label]
  }
  override get adapters(): KnowledgeAdapter[] {
    return [{ name: 'places', ridTypes: [PLACE] }]
  }
  override get transformers(): TransformerRegistration[] {
    return [{ source: Place, target: Label, transform: () => new Label() }]
  }
  override registerHandlers(processor: KnowledgeProcessor): void {
    processor.registerHandler(HandlerType.Rid, { name: this.name }, () => undefined)
  }
}

class Empty extends DomainExtension {
  override readonly name = 'empty'
}

function recorder(): { processor: KnowledgeProcessor; registered: unknown[] } {
  const registered: unknown[] = []
  const registerHandler = (...args: unknown[]): void => void registered.push(args.slice(0, -1))
  return { processor: { registerHandler }, registered }
}

describe('KoiMcpRegistry', () => {
  it('takes in what a domain brings', () => {
    const registry = new KoiMcpRegistry()
    registry.registerExtension(new Places())
    registry.registerExtension('nothing', new Empty())
    expect([...registry.extensions.keys()]).toEqual(['places', 'nothing'])
    expect([...registry.ridTypes]).toEqual([['orn:test.place', PLACE]])
    expect([...registry.adapters.keys()]).toEqual(['places'])
    expect(registry.schemas.names).toEqual(['Place', 'Label'])
    expect(registry.schemas.transform(new Place(), 'Label')).toBeInstanceOf(Label)
  })

  it('refuses the name of a domain or of an adapter that is taken', () => {
    const registry = new KoiMcpRegistry()
    registry.registerExtension(new Places())
    expect(() => registry.registerExtension(new Places())).toThrow('two domains are named places')
    expect(() => registry.registerExtension('again', new Places())).toThrow('an adapter named places already')
  })

  it('configures a node with all domains, or with those named in that order', () => {
    const registry = new KoiMcpRegistry()
    registry.registerExtension(new Places())
    registry.registerExtension(
      new (class extends Empty {
        override registerHandlers(processor: KnowledgeProcessor): void {
          processor.registerHandler(HandlerType.Final, () => undefined)
        }
      })(),
    )
    const all = recorder()
    registry.configureNode(all)
    expect(all.registered).toEqual([['rid', { name: 'places' }], ['final']])
    const some = recorder()
    registry.configureNode(some, ['empty'])
    expect(some.registered).toEqual([['final']])
  })

  it('names the domains there are when one is not among them, and registers nothing', () => {
    const registry = new KoiMcpRegistry()
    registry.registerExtension(new Places())
    const node = recorder()
    expect(() => registry.configureNode(node, ['places', 'place'])).toThrow(
      'no domain is named place; there are: places',
    )
    expect(node.registered).toEqual([])
    expect(() => new KoiMcpRegistry().configureNode(node, ['x'])).toThrow('there are: none')
  })
})
