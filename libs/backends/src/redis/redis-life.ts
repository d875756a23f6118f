import { LANE_FUNCTIONS } from './redis-lane-functions.ts'
import { stepScript } from './redis-script.ts'

/** What would wait for longer than an hour was to wait by a clock that has been set back since. */
export const BRING_FORWARD = stepScript(
  [],
  String.raw`
  local latest = '(' .. now + 3600000
  for _, name in ipairs({'lanes:due', 'lanes:held', 'targets:waiting', 'targets:held'}) do
    for _, member in ipairs(call('ZRANGEBYSCORE', key(name), latest, '+inf')) do call('ZADD', key(name), now, member) end
  end
  local leases = call('HGETALL', key('leases'))
  for index = 1, #leases, 2 do
    if tonumber(string.match(leases[index + 1], '^%d+')) > now + 3600000 then call('HDEL', key('leases'), leases[index]) end
  end`,
)

/** Leases of lanes, of deliveries and by name, of a process that ends, with what it says. There are as many leases as are held now. */
export const GIVE_BACK = stepScript(
  [LANE_FUNCTIONS],
  String.raw`
  local channel, payload = arg(), arg()
  local given = {}
  for index = last_arg + 1, #ARGV do given[ARGV[index]] = true end

  local function each(name, pattern, give_back)
    local leases = call('HGETALL', key(name))
    for index = 1, #leases, 2 do
      if given[string.match(leases[index + 1], pattern)] then give_back(leases[index]) end
    end
  end

  each('lanes:leases', '^%d+', free_lane)
  each('targets:leases', '^%d+ (%d+)', function(target)
    call('HDEL', key('targets:leases'), target)
    call('ZREM', key('targets:held'), target)
  end)
  each('leases', '^%d+ (%d+)', function(name) call('HDEL', key('leases'), name) end)
  call('PUBLISH', channel, payload)`,
)
