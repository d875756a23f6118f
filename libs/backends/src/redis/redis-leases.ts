import type { NamedLease } from '@koi-mcp/core'
import type { RedisConnection } from './redis-connection.ts'
import { stepScript } from './redis-script.ts'

/** `leases`: until when each is held, its token, its owner. */
export const LEASE_FUNCTIONS = String.raw`
  local function lease_of(name)
    local over, token, owner = string.match(call('HGET', key('leases'), name) or '', '^(%d+) (%d+) (.*)$')
    if over and tonumber(over) > now then return token, owner end
  end

  local function hold_lease(name, owner, token)
    local held, holder = lease_of(name)
    if held ~= token or holder ~= owner then
      fail('KOILEASE', 'The lease ' .. name .. ' is no longer held by ' .. owner .. ' (token ' .. token .. ')')
    end
  end
`

const TAKE = stepScript(
  [LEASE_FUNCTIONS],
  String.raw`
  local name, owner, lease_ms = arg(), arg(), tonumber(arg())
  local token, holder = lease_of(name)
  if token and holder ~= owner then return false end
  token = token or call('HINCRBY', node, 'token', 1)
  call('HSET', key('leases'), name, now + lease_ms .. ' ' .. token .. ' ' .. owner)
  return tonumber(token)`,
)

const RELEASE = stepScript(
  [LEASE_FUNCTIONS],
  String.raw`
  local name, owner, token = arg(), arg(), arg()
  local held, holder = lease_of(name)
  if held == token and holder == owner then call('HDEL', key('leases'), name) end`,
)

/** Named leases: what one replica does at a time. */
export class RedisLeases {
  readonly #db: RedisConnection

  constructor(db: RedisConnection) {
    this.#db = db
  }

  take(name: string, owner: string, leaseMs: number): Promise<NamedLease | undefined> {
    return this.#db.step(TAKE, [name, owner, Math.trunc(leaseMs)], (token: number | null) =>
      token === null ? undefined : { name, owner, token },
    )
  }

  release({ name, owner, token }: NamedLease): Promise<void> {
    return this.#db.step(RELEASE, [name, owner, token], () => undefined)
  }
}
