/** The child's side of `CommandProcess`: answers each message `{id, command, args}` with `{id, answer}` or `{id, error}`. */
export function serveCommands(commands: Readonly<Record<string, (args: never) => Promise<unknown>>>): void {
  process.on('message', (message: { id: number; command: string; args: never }) => {
    const { id, command, args } = message
    const answered = new Promise((resolve) => resolve(commands[command]!(args)))
    answered.then(
      (answer) => process.send!({ id, answer }),
      (error: unknown) =>
        process.send!({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    )
  })
  // The parent is gone: nobody waits for an answer.
  process.on('disconnect', () => process.exit(0))
}
