import { rotateKey } from '@koi-mcp/core'
import { CliError } from '../errors.ts'
import { printLine } from '../io.ts'
import type { Io } from '../io.ts'
import { nodeName } from '../network-event.ts'
import { explained } from './explained.ts'
import { keyPassword, nodeFolder, runningService } from './node-folder.ts'
import type { NodeChoice } from './node-folder.ts'

/** A new key for a node that does not run; its next start is a new node, which says goodbye for the old one. */
export const rotate = (choice: NodeChoice & { json?: boolean }, io: Io, signal: AbortSignal) =>
  explained(async () => {
    const folder = nodeFolder(choice, io)
    if ((await runningService(folder, io, signal)) !== undefined)
      throw new CliError(`The node in ${folder} runs. Stop it first: its next start is the new node.`)
    const rotated = await rotateKey(folder, await keyPassword(io))
    const { from, to, farewells, oldKey } = rotated
    if (choice.json === true) return printLine(io.stdout, JSON.stringify(rotated))
    printLine(io.stdout, `${from} is now ${to}.`)
    const told =
      farewells.length === 0
        ? 'It has no neighbours to say goodbye to.'
        : `Its next start says goodbye to ${farewells.map(nodeName).join(', ')}, and introduces the new node.`
    printLine(
      io.stderr,
      [
        told,
        `The old key is in ${oldKey}: remove it once nobody needs it.`,
        'Whoever names the old RID in a configuration (network.first_contact_rid, security.peer_types) must name the new one;',
        'who trusts this node as first contact without naming it must be given network.first_contact_rid.',
      ].join('\n'),
    )
  })
