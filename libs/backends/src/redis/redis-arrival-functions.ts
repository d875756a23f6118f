/** Places, and stamps of our own knowledge (`stamps`: the last one of each RID, in microseconds). */
export const ARRIVAL_FUNCTIONS = String.raw`
  -- As core's formatTimestamp; days to dates as in the proleptic Gregorian calendar, whose years begin in March here.
  local function timestamp_of(micros)
    local fraction = math.fmod(micros, 1000000)
    local seconds = (micros - fraction) / 1000000
    local days = math.floor(seconds / 86400)
    local second = seconds - days * 86400
    local day = days + 719468
    local era = math.floor(day / 146097)
    day = day - era * 146097
    local year = math.floor((day - math.floor(day / 1460) + math.floor(day / 36524) - math.floor(day / 146096)) / 365)
    day = day - (365 * year + math.floor(year / 4) - math.floor(year / 100))
    local month = math.floor((5 * day + 2) / 153)
    day = day - math.floor((153 * month + 2) / 5) + 1
    year = year + era * 400
    if month < 10 then month = month + 3 else month, year = month - 9, year + 1 end
    local text = string.format('%04d-%02d-%02dT%02d:%02d:%02d', year, month, day,
      math.floor(second / 3600), math.floor(second / 60) % 60, second % 60)
    if fraction > 0 then text = text .. string.format('.%06d', fraction) end
    return text .. 'Z'
  end

  -- As core's stampOwn: later than the last one, and than what is cached.
  local function next_stamp(rid)
    local last = tonumber(call('HGET', key('stamps'), rid) or 0)
    local cached = tonumber(call('HGET', key('cache:' .. rid), 'micros') or 0)
    return math.max(now * 1000, last + 1, cached + 1)
  end

  local function remember_stamp(rid, micros)
    call('HSET', key('stamps'), rid, string.format('%.0f', micros))
  end

  -- A manifest in two parts is of our own making, and stamped between them; one with micros is our own too, and counts as a stamp.
  local function manifest_of(rid, manifest, tail, micros)
    if tail ~= '' then
      local stamp = next_stamp(rid)
      remember_stamp(rid, stamp)
      return manifest .. timestamp_of(stamp) .. tail
    end
    if micros ~= '' then remember_stamp(rid, math.max(tonumber(micros), tonumber(call('HGET', key('stamps'), rid) or 0))) end
    return manifest
  end

  -- Reads the arrivals; what is absent is empty. Answers the first of their places, which follow each other, and how many they are.
  local function append_arrivals()
    local count = tonumber(arg())
    if count == 0 then return 0, 0 end
    local first = call('HINCRBY', node, 'place', count) - count + 1
    call('HINCRBY', node, 'pending', count)
    for place = first, first + count - 1 do
      local lane, rid, event, source, manifest, tail, micros, contents = arg(), arg(), arg(), arg(), arg(), arg(), arg(), arg()
      local row = {'lane', lane, 'rid', rid, 'accepted_at', now}
      local function put(name, value)
        if value ~= '' then
          row[#row + 1] = name
          row[#row + 1] = value
        end
      end
      put('event_type', event)
      put('source', source)
      put('manifest', manifest_of(rid, manifest, tail, micros))
      put('contents', contents)
      call('HSET', key('arrival:' .. place), unpack(row))
      append_to_lane(lane, place)
    end
    return first, count
  end
`
