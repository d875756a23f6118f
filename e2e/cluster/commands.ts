import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface RunOptions {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** Runs a program to its end. */
export async function run(
  program: string,
  args: readonly string[],
  { input = '', env, signal }: RunOptions = {},
): Promise<Ended> {
  const child = spawn(program, args, { env: { ...process.env, ...env }, ...(signal && { signal }) })
  child.stdin.on('error', () => undefined) // It may end without reading.
  child.stdin.end(input)
  const ended = new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject))
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  return { code, stdout, stderr }
}

/** What it prints. @throws Error with what it says when it fails */
async function output(program: string, args: readonly string[], options?: RunOptions): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, options)
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with code ${code}:\n${stderr}${stdout}`)
  return stdout
}

export const kubectl = (args: readonly string[], options?: RunOptions) => output('kubectl', args, options)
export const helm = (args: readonly string[], options?: RunOptions) => output('helm', args, options)

/** Prints what was measured. */
export function say(figures: string): void {
  process.stdout.write(`${figures}\n`)
}

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return Math.round((performance.now() - began) / 100) / 10
}
