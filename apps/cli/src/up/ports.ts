import { createServer } from 'node:net'
import { CliError, errorCode, messageOf } from '../errors.ts'
import { APP_OF, ROLES } from '../roles.ts'
import { HOST, portOf } from './service-plan.ts'

/** Fails with the port that is taken and the fix, before anything is started. Port 0 leaves the choice to each service's own listening. */
export const checkPorts = async (firstPort: number): Promise<void> => {
  if (firstPort === 0) return
  for (const role of ROLES) {
    const port = portOf(firstPort, role)
    const error = await tryListening(port)
    if (error === undefined) continue
    const fix = 'Choose three others with --port N (the first of them), or --port 0 for any that are free.'
    const code = errorCode(error)
    const why =
      code === 'EADDRINUSE'
        ? 'is in use by another program'
        : code === 'EACCES'
          ? 'may not be used by this user'
          : `cannot be used (${messageOf(error)})`
    throw new CliError(`Port ${port}, for the ${APP_OF[role]}, ${why}. ${fix}`)
  }
}

const tryListening = (port: number): Promise<unknown> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', resolve)
    server.listen({ port, host: HOST, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
