/**
 * The outbox. For each target: `queue:<target>`, numbers of its rows in order; `ages:<target>`, the same by when they were queued;
 * `rows:<target>`: `r` (reference) or `t` (text), event, whether it is fresh, since when it is queued, RID; `texts:<target>`: the texts of the latter;
 * `refs:<target>`: the rows about an RID, by `r` or `t` and the RID.
 *
 * - `targets`: all that have rows, in byte order; `targets:ready` and `targets:waiting`: the same, by when they are due, in two: those that failed wait.
 * - `targets:held`: those to which a batch is under way, by when its lease is over; `targets:leases`: up to which row, token, owner.
 * - `targets:failures`, `targets:errors`: of those whose last batch failed.
 * - `targets:lapsed`: since when; `targets:resumed`: those of them that were reached again.
 *
 * What stands where when it collapses: `OutboxTables` of core says it.
 */
export const OUTBOX_FUNCTIONS = String.raw`
  local SHORT = {['"'] = '\\"', ['\\'] = '\\\\', ['\b'] = '\\b', ['\f'] = '\\f', ['\n'] = '\\n', ['\r'] = '\\r', ['\t'] = '\\t'}

  -- As JSON.stringify writes it.
  local function quoted(text)
    local function escape(character) return SHORT[character] or string.format('\\u%04x', string.byte(character)) end
    return '"' .. string.gsub(text, '[%z\1-\31"\\]', escape) .. '"'
  end

  -- As core's textToSend; nothing when the bundle is gone.
  local function text_to_send(rid, event)
    local head = '{"rid":' .. quoted(rid) .. ',"event_type":"' .. event .. '"'
    if event == 'FORGET' then return head .. '}' end
    local manifest, contents = unpack(call('HMGET', key('cache:' .. rid), 'manifest', 'contents'))
    if not manifest then return nil end
    return head .. ',"manifest":' .. manifest .. ',"contents":' .. contents .. '}'
  end

  -- As core's asNew.
  local function as_new(text)
    local from, to = string.find(text, ',"event_type":"UPDATE"', 1, true)
    if not from then return text end
    return string.sub(text, 1, from - 1) .. ',"event_type":"NEW"' .. string.sub(text, to + 1)
  end

  local function row_of(target, id)
    local row = call('HGET', key('rows:' .. target), id)
    if not row then fail('KOIDAMAGED', 'row ' .. id .. ' of what is queued for ' .. target .. ' is missing') end
    local kind, event, fresh, since, rid = string.match(row, '^(%S+) (%S+) (%S+) (%S+) (.*)$')
    return {id = id, kind = kind, event = event, fresh = fresh == '1', since = since, rid = rid}
  end

  local function put_row(target, row)
    local text = row.kind .. ' ' .. row.event .. ' ' .. (row.fresh and 1 or 0) .. ' ' .. row.since .. ' ' .. row.rid
    call('HSET', key('rows:' .. target), row.id, text)
  end

  local function drop_row(target, id)
    call('HDEL', key('rows:' .. target), id)
    call('HDEL', key('texts:' .. target), id)
    call('ZREM', key('queue:' .. target), id)
    call('ZREM', key('ages:' .. target), id)
  end

  local function refs_of(target, field)
    return string.gmatch(call('HGET', key('refs:' .. target), field) or '', '%d+')
  end

  local function put_refs(target, field, ids)
    if #ids == 0 then call('HDEL', key('refs:' .. target), field)
    else call('HSET', key('refs:' .. target), field, table.concat(ids, ' ')) end
  end

  local function set_age(target, row, since)
    row.since = since
    call('ZADD', key('ages:' .. target), since, row.id)
  end

  -- Leaves the last of the rows, as what all of them come to.
  local function merge(target, rows, from, to, gone)
    if from >= to then return end
    local first, last = rows[from], rows[to]
    for index = from, to - 1 do gone[rows[index].id] = true end
    if last.event ~= 'FORGET' then last.event = (first.fresh or first.event == 'NEW') and 'NEW' or 'UPDATE' end
    last.fresh = first.fresh
    set_age(target, last, first.since)
    put_row(target, last)
  end

  local function merge_references(target, rows, last_forget, gone)
    if rows[1].fresh or last_forget == #rows then return merge(target, rows, 1, #rows, gone) end
    merge(target, rows, 1, last_forget, gone)
    merge(target, rows, last_forget + 1, #rows, gone)
  end

  local function merge_texts(target, rows, last_forget, gone)
    if last_forget > 1 then
      for index = 1, last_forget - 1 do gone[rows[index].id] = true end
      set_age(target, rows[last_forget], rows[1].since)
      put_row(target, rows[last_forget])
    end
    local first, last = rows[last_forget + 1], rows[#rows]
    if not first or first == last then return end
    local text = call('HGET', key('texts:' .. target), last.id)
    for index = last_forget + 1, #rows do
      if rows[index].event == 'NEW' then first.event = 'NEW' end
      if index > last_forget + 1 then gone[rows[index].id] = true end
    end
    call('HSET', key('texts:' .. target), first.id, first.event == 'NEW' and as_new(text) or text)
    put_row(target, first)
  end

  -- What stands behind the row up_to about the RID, of one kind.
  local function collapse(target, kind, rid, up_to)
    local before, rows, last_forget = {}, {}, 0
    for id in refs_of(target, kind .. rid) do
      if tonumber(id) <= up_to then
        before[#before + 1] = id
      else
        rows[#rows + 1] = row_of(target, id)
        if rows[#rows].event == 'FORGET' then last_forget = #rows end
      end
    end
    if #rows < 2 then return end
    local gone = {}
    if kind == 'r' then merge_references(target, rows, last_forget, gone) else merge_texts(target, rows, last_forget, gone) end
    for _, row in ipairs(rows) do
      if gone[row.id] then drop_row(target, row.id) else before[#before + 1] = row.id end
    end
    put_refs(target, kind .. rid, before)
  end

  local function under_way(target)
    local over = call('ZSCORE', key('targets:held'), target)
    if not over or tonumber(over) <= now then return 0 end
    return tonumber(string.match(call('HGET', key('targets:leases'), target), '^%d+'))
  end

  -- Makes room for an event; answers whether the target gets any.
  local function open_target(target)
    if call('HEXISTS', key('targets:lapsed'), target) == 1 and call('HEXISTS', key('targets:resumed'), target) == 0 then return false end
    if call('ZADD', key('targets'), 'NX', 0, target) == 1 then call('ZADD', key('targets:ready'), now, target) end
    return true
  end

  local function close_target(target)
    call('ZREM', key('targets'), target)
    call('ZREM', key('targets:ready'), target)
    call('ZREM', key('targets:waiting'), target)
    call('HDEL', key('targets:failures'), target)
    if call('HEXISTS', key('targets:lapsed'), target) == 0 then call('HDEL', key('targets:errors'), target) end
  end

  local function queue_row(target, kind, rid, event, fresh, text)
    if not open_target(target) then return end
    local row = {id = call('HINCRBY', node, 'row', 1), kind = kind, event = event, fresh = fresh, since = now, rid = rid}
    put_row(target, row)
    call('ZADD', key('queue:' .. target), row.id, row.id)
    set_age(target, row, now)
    if text then call('HSET', key('texts:' .. target), row.id, text) end
    local known = call('HGET', key('refs:' .. target), kind .. rid)
    call('HSET', key('refs:' .. target), kind .. rid, known and known .. ' ' .. row.id or row.id)
    if known then collapse(target, kind, rid, under_way(target)) end
  end

  -- Events of nodes and edges go out as they were.
  local function queue_event(target, rid, event, fresh)
    if not starts_with(rid, 'orn:koi-net.') then return queue_row(target, 'r', rid, event, fresh) end
    local text = text_to_send(rid, event)
    if text then queue_row(target, 't', rid, event, false, text) end
  end

  local function queue_change(rid, event, targets)
    local told = {}
    for _, target in ipairs(targets) do
      if not told[target] then queue_event(target, rid, event, event == 'NEW') end
      told[target] = true
    end
  end

  -- Reads and queues what was sent past the pipeline.
  local function queue_sends()
    for _ = 1, tonumber(arg()) do
      local target, rid, event, text = arg(), arg(), arg(), arg()
      queue_row(target, 't', rid, event, false, text)
    end
  end

  -- Takes rows out; answers whether the target has any left.
  local function remove_rows(target, ids)
    for _, id in ipairs(ids) do
      if call('HEXISTS', key('rows:' .. target), id) == 1 then
        local row, left = row_of(target, id), {}
        for other in refs_of(target, row.kind .. row.rid) do
          if other ~= id then left[#left + 1] = other end
        end
        put_refs(target, row.kind .. row.rid, left)
        drop_row(target, id)
      end
    end
    if call('EXISTS', key('queue:' .. target)) == 1 then return true end
    close_target(target)
    return false
  end

  -- Answers how many rows there were.
  local function drop_rows(target)
    local count = call('ZCARD', key('queue:' .. target))
    for _, name in ipairs({'queue:', 'ages:', 'rows:', 'texts:', 'refs:'}) do call('UNLINK', key(name .. target)) end
    close_target(target)
    return count
  end

  local function hold_target(target, owner, token)
    local over = call('ZSCORE', key('targets:held'), target)
    local lease = call('HGET', key('targets:leases'), target)
    if not over or tonumber(over) <= now or string.match(lease, '^%d+ (.*)$') ~= token .. ' ' .. owner then
      fail('KOILEASE', 'Deliveries to ' .. target .. ' are no longer held by ' .. owner .. ' (token ' .. token .. ')')
    end
  end

  local function give_target_back(target, owner, token)
    hold_target(target, owner, token)
    call('ZREM', key('targets:held'), target)
    call('HDEL', key('targets:leases'), target)
  end
`
