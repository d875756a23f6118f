import { KOI_NET_EDGE, KOI_NET_NODE } from '@koi-mcp/protocol'

/**
 * The cache, its search index and its change log.
 *
 * - `cache:<rid>`: a hash of `manifest`, `contents`, `seq`, `origin`, `micros` (its timestamp), `id` (its number in the search index) and `words`
 *   (its tokens, each as `\n<token>=<weight>`). `rids`: all of them, in byte order; `types`: how many of each.
 * - `docs`: RIDs by number. `token:<token>`: the numbers of those that have it; `tokens`: all there are, in byte order.
 * - `changes`: JSON of number, event, RID and origin, by number. `changes:overtaken`: numbers of changes that a later one of the same RID has overtaken;
 *   `changes:gone`: the number of the FORGET of each RID that is gone; `changes:forgotten`: the same RIDs by the time of it.
 *
 * A script is alone on its server, so numbers commit in their order, and a counter is enough.
 */
export const CACHE_FUNCTIONS = String.raw`
  local OVERTAKEN_KEPT, FORGET_KEPT_MS = 10000, 604800000

  local function starts_with(text, start) return string.sub(text, 1, #start) == start end

  local function type_of(rid) return string.match(rid, '^[ou]rn:[^:]*') or string.match(rid, '^[^:]*') end

  local function is_of_network(rid)
    return starts_with(rid, '${KOI_NET_NODE.name}:') or starts_with(rid, '${KOI_NET_EDGE.name}:')
  end

  local function count_type(rid, change)
    local name = type_of(rid)
    if call('HINCRBY', key('types'), name, change) <= 0 then call('HDEL', key('types'), name) end
  end

  -- One call for many: calls are what takes time.
  local function each_part(list, size, work)
    for from = 1, #list, size do work(unpack(list, from, math.min(from + size - 1, #list))) end
  end

  -- Tokens that stay are not touched.
  local function index_words(id, before, after)
    if before == after then return end
    local wanted, new, gone = {}, {}, {}
    for token in string.gmatch(after, '\n([^=]+)') do wanted[token] = true end
    for token in string.gmatch(before, '\n([^=]+)') do
      if wanted[token] then
        wanted[token] = nil
      else
        call('SREM', key('token:' .. token), id)
        if call('EXISTS', key('token:' .. token)) == 0 then gone[#gone + 1] = token end
      end
    end
    for token in pairs(wanted) do
      call('SADD', key('token:' .. token), id)
      new[#new + 1] = 0
      new[#new + 1] = token
    end
    each_part(gone, 1000, function(...) call('ZREM', key('tokens'), ...) end)
    each_part(new, 1000, function(...) call('ZADD', key('tokens'), ...) end)
  end

  local function drop_changes(numbers)
    for _, number in ipairs(numbers) do call('ZREMRANGEBYSCORE', key('changes'), number, number) end
  end

  -- What is overtaken goes by number, then what has been gone for long: nothing of its RID is left before it.
  local function expire_changes(seq)
    local old = call('ZRANGEBYSCORE', key('changes:overtaken'), '-inf', '(' .. seq - OVERTAKEN_KEPT, 'LIMIT', 0, 10)
    drop_changes(old)
    if #old > 0 then call('ZREM', key('changes:overtaken'), unpack(old)) end
    local first_left = tonumber(call('ZRANGE', key('changes:overtaken'), 0, 0)[1] or seq)
    for _, rid in ipairs(call('ZRANGEBYSCORE', key('changes:forgotten'), '-inf', now - FORGET_KEPT_MS, 'LIMIT', 0, 10)) do
      local forgotten = tonumber(call('HGET', key('changes:gone'), rid))
      if first_left > forgotten then
        drop_changes({forgotten})
        call('ZREM', key('changes:forgotten'), rid)
        call('HDEL', key('changes:gone'), rid)
      end
    end
  end

  local function log_change(seq, rid, event, origin, before)
    call('ZADD', key('changes'), seq, cjson.encode({seq, event, rid, origin ~= '' and origin or nil}))
    local overtaken = before or call('HGET', key('changes:gone'), rid)
    if overtaken then
      call('ZADD', key('changes:overtaken'), overtaken, overtaken)
      if not before then
        call('HDEL', key('changes:gone'), rid)
        call('ZREM', key('changes:forgotten'), rid)
      end
    end
    if event == 'FORGET' then
      call('HSET', key('changes:gone'), rid, seq)
      call('ZADD', key('changes:forgotten'), now, rid)
    end
    expire_changes(seq)
  end

  -- Reads what to write; all of it is empty for a FORGET.
  local function read_change()
    return {event = arg(), origin = arg(), manifest = arg(), contents = arg(), micros = arg(), words = arg()}
  end

  -- Answers the change's number, whether there was one, and manifest and contents that were there.
  local function change_cache(rid, change)
    local cached = key('cache:' .. rid)
    local id, before, origin, manifest, contents, words = unpack(call('HMGET', cached, 'id', 'seq', 'origin', 'manifest', 'contents', 'words'))
    if not id and change.event == 'FORGET' then return {tonumber(call('HGET', node, 'seq') or 0), 0} end
    local seq = call('HINCRBY', node, 'seq', 1)
    if is_of_network(rid) then call('HSET', node, 'network', seq) end
    if change.event == 'FORGET' then
      call('UNLINK', cached)
      call('ZREM', key('rids'), rid)
      call('HDEL', key('docs'), id)
      count_type(rid, -1)
      index_words(id, words, '')
      log_change(seq, rid, 'FORGET', origin or '', before)
    else
      if not id then
        id = call('HINCRBY', node, 'doc', 1)
        call('ZADD', key('rids'), 0, rid)
        call('HSET', key('docs'), id, rid)
        count_type(rid, 1)
      end
      call('HSET', cached, 'id', id, 'seq', seq, 'manifest', change.manifest, 'contents', change.contents,
        'micros', change.micros, 'words', change.words)
      if change.origin ~= '' then call('HSET', cached, 'origin', change.origin) else call('HDEL', cached, 'origin') end
      index_words(id, words or '', change.words)
      log_change(seq, rid, change.event, change.origin, before)
    end
    return {seq, 1, manifest, contents}
  end
`
