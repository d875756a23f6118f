import { CommanderError } from 'commander'
import { CliError } from './errors.ts'
import type { Io } from './io.ts'
import { createProgram } from './program.ts'
import { StopRequested } from './stop-signals.ts'

const io: Io = { stdout: process.stdout, stderr: process.stderr, env: process.env, cwd: process.cwd() }

try {
  const program = createProgram(io)
  if (process.argv.length <= 2) program.help()
  await program.parseAsync(process.argv)
} catch (error) {
  // Commander has already said what is wrong, or printed the help that was asked for.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else if (error instanceof CliError) {
    process.stderr.write(`koi-mcp: ${error.message}\n`)
    process.exitCode = error.exitCode
  } else if (!(error instanceof StopRequested)) throw error
}
