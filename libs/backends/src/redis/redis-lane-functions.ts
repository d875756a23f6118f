/**
 * The inbox. `arrival:<place>`: a hash of what `ArrivalRow` of core has; absent: phase received, no attempts. `lane:<lane>`: a list of its places.
 *
 * - `lanes:due`: lanes that have work, by when the first of it is due; 0: at once.
 * - `lanes:held`: lanes that are leased, by when the lease is over; `lanes:leases`: token and owner of it.
 * - `lanes:ready`: lanes with due work that are not in `lanes:held`, by their first place.
 */
export const LANE_FUNCTIONS = String.raw`
  local function make_ready(lane, first)
    call('ZADD', key('lanes:due'), 0, lane)
    if call('ZSCORE', key('lanes:held'), lane) then return end
    call('ZADD', key('lanes:ready'), first or call('LINDEX', key('lane:' .. lane), 0), lane)
  end

  local function append_to_lane(lane, place)
    if call('RPUSH', key('lane:' .. lane), place) == 1 then make_ready(lane, place) end
  end

  -- Answers whether the lane has work.
  local function free_lane(lane)
    call('HDEL', key('lanes:leases'), lane)
    call('ZREM', key('lanes:held'), lane)
    local due = call('ZSCORE', key('lanes:due'), lane)
    if due and tonumber(due) <= now then make_ready(lane) end
    return due ~= false
  end

  local function is_held_by(lane, owner, token)
    return call('HGET', key('lanes:leases'), lane) == token .. ' ' .. owner
  end

  local function hold_lane(lane, owner, token)
    local over = is_held_by(lane, owner, token) and call('ZSCORE', key('lanes:held'), lane)
    if not over or tonumber(over) <= now then
      fail('KOILEASE', 'The lane ' .. lane .. ' is no longer held by ' .. owner .. ' (token ' .. token .. ')')
    end
  end

  local function arrival_at(lane, place)
    local row = call('HGETALL', key('arrival:' .. place))
    if #row == 0 then fail('KOIDAMAGED', 'arrival ' .. place .. ' of the lane ' .. lane .. ' is missing') end
    return row
  end

  -- Reads lease and place: the lane's first arrival, in one of the phases.
  local function head_of_lane(phases)
    local lane, owner, token, place = arg(), arg(), arg(), arg()
    hold_lane(lane, owner, token)
    if call('LINDEX', key('lane:' .. lane), 0) ~= place then
      fail('KOIHEAD', 'Arrival ' .. place .. ' is not the first of the lane ' .. lane)
    end
    local arrival = key('arrival:' .. place)
    local row = call('HMGET', arrival, 'rid', 'phase', 'normalized_event_type')
    if not row[1] then fail('KOIDAMAGED', 'arrival ' .. place .. ' of the lane ' .. lane .. ' is missing') end
    local phase = row[2] or 'received'
    if not string.find(phases, phase, 1, true) then
      fail('KOIHEAD', 'Arrival ' .. place .. ' is in phase ' .. phase .. ', not ' .. phases)
    end
    return {lane = lane, place = place, arrival = arrival, rid = row[1], event = row[3]}
  end

  -- Takes the first arrival out of a lane that is held. Answers whether there is a next one.
  local function remove_head(head)
    local lane = key('lane:' .. head.lane)
    call('LPOP', lane)
    call('UNLINK', head.arrival)
    call('HINCRBY', node, 'pending', -1)
    if call('EXISTS', lane) == 1 then
      call('ZADD', key('lanes:due'), 0, head.lane)
      return true
    end
    call('ZREM', key('lanes:due'), head.lane)
    return false
  end
`

export const ANY_PHASE = 'received or network or final'
