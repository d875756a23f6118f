// reachable.js HOST:PORT...: prints those that take a connection.
import { connect } from 'node:net'

const takes = (target) =>
  new Promise((resolve) => {
    const [host, port] = target.split(':')
    const socket = connect({ host, port: Number(port), timeout: 3_000 })
    const end = (is) => (socket.destroy(), resolve(is))
    socket
      .once('connect', () => end(true))
      .once('error', () => end(false))
      .once('timeout', () => end(false))
  })

const targets = process.argv.slice(2)
const taken = await Promise.all(targets.map(takes))
process.stdout.write(JSON.stringify(targets.filter((_, index) => taken[index])))
