// A user of a queue as a process of its own: holds the first job that it gets until it is told that it has room; says when it does, and when it looks.
import { QueueUser, until } from './queue-user.ts'

const [url = '', namespace = ''] = process.argv.slice(2)
const user = new QueueUser(url, namespace)
user.fill()
await until(() => user.holds)
process.stdout.write('holds\n')
process.stdin.on('data', () => {
  user.looks.length = 0
  user.empty()
  void until(() => user.looks.includes('lanes')).then(() => process.stdout.write('looked\n'))
})
process.stdin.on('end', () => void user.close())
