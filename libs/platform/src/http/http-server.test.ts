import { once } from 'node:events'
import { Agent, get } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '@koi-mcp/core'
import { HttpServer } from './http-server.ts'

async function serving() {
  const server = await HttpServer.listen({ port: 0, host: '127.0.0.1' }, silentLogger)
  server.serve((_, response) => response.end('served'))
  const { port } = server
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = async (by: Agent | false = agent) => {
    const request = get({ port, agent: by })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.resume()
    await once(response, 'end')
    return { reused: request.reusedSocket, connection: response.headers.connection }
  }
  return { server, ask }
}

describe('a server that closes', () => {
  it('answers who has a connection, and tells it that this one closes', async () => {
    const { server, ask } = await serving()
    expect(await ask()).toEqual({ reused: false, connection: 'keep-alive' })
    const closed = server.close(10_000)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await ask()).toEqual({ reused: true, connection: 'close' })
    await closed
    await expect(ask()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('tells it also whose request came before', async () => {
    const { server, ask } = await serving()
    const answers: ServerResponse[] = []
    server.serve((_, response) => void answers.push(response))
    const asked = ask()
    await expect.poll(() => answers.length).toBe(1)
    const closed = server.close(10_000)
    answers[0]!.end('served')
    expect(await asked).toEqual({ reused: false, connection: 'close' })
    await closed
  })

  it('waits for nobody who says nothing more', async () => {
    const { server, ask } = await serving()
    await ask()
    await server.close(10_000)
    await expect(ask(false)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})
