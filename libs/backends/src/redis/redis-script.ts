import { createHash } from 'node:crypto'

/** A program that the server runs as one step; it is known there by its hash once it has run. */
export interface RedisScript {
  readonly sha: string
  readonly text: string
}

/**
 * Stands before every script. Its keys all begin with the node's hash tag, so that they live on one server; the first of them is given, and says so.
 * What is read or changed is looked up by `key`; arguments are read one after the other. `now`: by the clock given, or the server's.
 *
 * A script is never undone: whatever it refuses, it refuses before it writes. A server without memory, disk or leave to write refuses the first write.
 */
const PRELUDE = String.raw`
  local call = redis.call
  local prefix = string.sub(KEYS[1], 1, -7)
  local last_arg = 2

  local function key(name) return prefix .. name end

  local function arg()
    last_arg = last_arg + 1
    return ARGV[last_arg]
  end

  local function args()
    local list = {}
    for index = 1, tonumber(arg()) do list[index] = arg() end
    return list
  end

  local function fail(code, text) error({err = code .. ' ' .. text}) end

  local now = tonumber(ARGV[2])
  if not now then
    local time = call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  if call('HGET', KEYS[1], 'id') ~= ARGV[1] then fail('KOIGONE', 'what this node had stored is not there') end
  -- What is counted: places, tokens, changes, documents, rows, and what is pending.
  local node = key('node')
`

/** A step: the functions it needs, and what it does with its arguments. */
export function stepScript(functions: readonly string[], body: string): RedisScript {
  return plainScript([PRELUDE, ...functions, body].join('\n'))
}

export function plainScript(text: string): RedisScript {
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}
