import type { RidType } from '@koi-mcp/protocol'

/** What a model is told of this server before it uses it. */
export function instructionsFor(ridTypes: readonly RidType[], tools: readonly string[]): string {
  const types = ridTypes.map(({ name }) => name).join(', ')
  return [
    'This server shows the live knowledge of a KOI network: what an organisation knows, published by the systems that know it and kept up to date.',
    'Every piece of knowledge has an RID, such as orn:data-catalog.dataset:example/file.csv. The RID is also the URI of its resource. Pass RIDs on exactly as they are: no encoding, no change of case.',
    ...(types === '' ? [] : [`Types of knowledge here: ${types}.`]),
    'To answer a question, call search_knowledge first, then get_knowledge (or read the resource) for the full contents, which are JSON. Name the RIDs you relied on.',
    `Tools: ${tools.join(', ')}.`,
    'Knowledge changes while you work: subscribe to a resource to be told when it changes or goes; its timestamp says when its source last changed it.',
  ].join('\n')
}
