import { basename, resolve } from 'node:path'
import { readManifest, restoreBackup } from '@koi-mcp/core'
import { printLine } from '../io.ts'
import type { Io } from '../io.ts'
import { nodeName } from '../network-event.ts'
import { explained } from './explained.ts'
import { keyPassword } from './node-folder.ts'
import type { NodeChoice } from './node-folder.ts'

/** Puts a backup back, where `koi-mcp up` looks for the node of its name, or into a folder named. */
export const restore = (from: string, choice: NodeChoice & { force?: boolean }, io: Io) =>
  explained(async () => {
    const place = resolve(io.cwd, from)
    const name = choice.name ?? nodeName((await readManifest(place)).node_rid)
    const state = choice.storage === undefined ? resolve(io.cwd, choice.state, name) : resolve(io.cwd, choice.storage)
    const force = choice.force === true
    const { manifest, movedTo } = await restoreBackup({
      from: place,
      state,
      keyPassword: await keyPassword(io),
      force,
      now: new Date(),
    })
    if (movedTo !== undefined) printLine(io.stderr, `What was there is now in ${movedTo}.`)
    printLine(io.stdout, `${state} holds ${manifest.node_rid} as of ${manifest.at}.`)
    printLine(
      io.stderr,
      [
        'Before it starts: the node this was copied from must not run any more, anywhere, for two at once are one identity twice.',
        `Start it as ever: its configuration names ${state} in persistence.storage_path, and ${nodeName(manifest.node_rid)} in node.name` +
          (basename(state) === name && choice.storage === undefined
            ? ` ("koi-mcp up --state ${choice.state}" does).`
            : '.'),
      ].join('\n'),
    )
  })
