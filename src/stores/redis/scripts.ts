import { createHash } from 'node:crypto'

/** A Lua script, and the name under which the server keeps it. */
export interface Script {
  readonly source: string
  readonly sha: string
}

/**
 * One hash holds a session: the record (`e` epoch, `g` generation, `n` nonce, `t` tokens as JSON, `x` how it ended,
 * `b` not before, `p` and `u` the reservation and until when), and beside it who may refresh (`o` the context,
 * `k` its turn, `l` until when, `d` for how long, `w` whether somebody waits), the greatest generation that was ever
 * reserved in this epoch (`r`), and whose the reservation is (`q`).
 *
 * What is absent is an empty string in arguments, so that no reply has to tell nothing from empty.
 * Times of the record are the contexts' own and only compared; the lease is measured by the server's clock alone.
 */
const COMMON = `
local key = KEYS[1]

local function read()
  return redis.call('HMGET', key, 'e', 'g', 'n', 't', 'x', 'b', 'p', 'u')
end

local function number(text)
  local value = tonumber(text) or 0
  return value < 1e15 and value or 0
end

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function owns(context, turn)
  local holder = redis.call('HMGET', key, 'o', 'k')
  return holder[1] == context and holder[2] == turn
end
`

/** ARGV: nothing. Replies with the record. */
export const LOAD: Script = script('return read()')

/**
 * ARGV: channel, sender, keep in ms, then the record. Replies with the record that the two amount to.
 *
 * What is no number of ours, or beyond all of them, counts as none. Texts are compared byte by byte: Lua would compare them in the language of the machine.
 * Nothing is deleted before everything is written: a server without memory refuses the write, and a script that
 * fails half-way is not rolled back.
 */
export const SAVE: Script = script(`
local function order(a, b)
  if a == b then return 0 end
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x - y end
  end
  return #a - #b
end

local old, new = read(), {}
for i = 1, 8 do
  old[i] = old[i] or ''
  new[i] = ARGV[i + 3]
end
local result, fresh = new, true
if old[1] ~= '' then
  local epoch = order(new[1], old[1])
  local difference = epoch
  if difference == 0 then difference = number(new[2]) - number(old[2]) end
  if difference == 0 then difference = order(new[3], old[3]) end
  if epoch ~= 0 then
    fresh = epoch > 0
    result = fresh and new or old
  else
    local high, low = old, new
    if difference > 0 then high, low = new, old end
    local ended = difference == 0 and low[5] ~= '' and high[5] ~= 'rejected'
    fresh = difference > 0 or (ended and low[5] ~= high[5])
    result = {}
    for i = 1, 5 do result[i] = (ended and low or high)[i] end
    result[6] = high[6]
    if difference == 0 and number(low[6]) > number(high[6]) then result[6] = low[6] end
    local pending = high
    if number(low[7]) > number(high[7]) or (low[7] == high[7] and number(low[8]) > number(high[8])) then
      pending = low
    end
    result[7], result[8] = '', ''
    if number(pending[7]) > number(result[2]) then result[7], result[8] = pending[7], pending[8] end
  end
end
local names, set, drop = {'e', 'g', 'n', 't', 'x', 'b', 'p', 'u'}, {}, {}
for i = 1, 8 do
  if result[i] ~= old[i] then
    if result[i] == '' then
      drop[#drop + 1] = names[i]
    else
      set[#set + 1] = names[i]
      set[#set + 1] = result[i]
    end
  end
end
if #set > 0 then redis.call('HSET', key, unpack(set)) end
if result[1] ~= old[1] then drop[#drop + 1] = 'r' end
if result[7] == '' then drop[#drop + 1] = 'q' end
if #drop > 0 then redis.call('HDEL', key, unpack(drop)) end
redis.call('PEXPIRE', key, ARGV[3])
if fresh then redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' saved') end
return result
`)

/**
 * ARGV: epoch, generation, nonce and end of what was read, and is no record: it goes, unless something else is there by
 * now. Greater than all that we write, it would never be saved over. The turn stays whose it is.
 *
 * Bytes that are no ASCII are in no record of ours; some of them cannot be sent back as they came.
 */
export const FORGET: Script = script(`
local found = redis.call('HMGET', key, 'e', 'g', 'n', 'x')
for i = 1, 4 do
  local text = found[i] or ''
  if text ~= ARGV[i] and not text:find('[\\128-\\255]') then return 0 end
end
redis.call('HDEL', key, 'e', 'g', 'n', 't', 'x', 'b', 'p', 'u', 'r', 'q')
return 1
`)

/**
 * ARGV: context, turn, lease in ms. Replies with 0 and the record, or with how many milliseconds somebody else's turn
 * may still last, and the record.
 *
 * A context that asks again, because the reply was lost, does not lose to itself: its former turn is over.
 * A lease that ends later than any can was made before the server's clock was set back: it starts anew.
 */
export const ACQUIRE: Script = script(`
local time = now()
local holder = redis.call('HMGET', key, 'o', 'l', 'd')
local left = number(holder[2]) - time
if holder[1] and holder[1] ~= ARGV[1] and left > 0 then
  local longest = math.max(number(holder[3]), 1)
  if left > longest then
    redis.pcall('HSET', key, 'l', time + longest)
    left = longest
  end
  redis.pcall('HSET', key, 'w', 1)
  return { left, read() }
end
redis.call('HSET', key, 'o', ARGV[1], 'k', ARGV[2], 'l', time + ARGV[3], 'd', ARGV[3])
local record = read()
if not record[1] then redis.call('PEXPIRE', key, 2 * ARGV[3]) end
return { 0, record }
`)

/**
 * ARGV: context, turn, lease in ms, until when by the context's clock, keep in ms. Replies with the generation, with -1
 * where the turn was lost, or with -2 where there is no record.
 */
export const BEGIN: Script = script(`
local lease = redis.call('HMGET', key, 'e', 'g', 'p', 'r', 'l')
local time = now()
if not owns(ARGV[1], ARGV[2]) or number(lease[5]) <= time then return -1 end
if not lease[1] then return -2 end
local generation = math.max(number(lease[2]), number(lease[3]), number(lease[4])) + 1
local text = string.format('%.0f', generation)
redis.call('HSET', key, 'r', text, 'p', text, 'u', ARGV[4], 'q', ARGV[1] .. ARGV[2], 'l', time + ARGV[3])
redis.call('PEXPIRE', key, ARGV[5])
return text
`)

/** ARGV: context, turn, generation. */
export const CLEAR: Script = script(`
local pending = redis.call('HMGET', key, 'p', 'q')
if pending[1] == ARGV[3] and pending[2] == ARGV[1] .. ARGV[2] then redis.call('HDEL', key, 'p', 'u', 'q') end
return 0
`)

/** ARGV: context, turn, lease in ms, until when by the context's clock. Replies with 1 unless the turn was lost. */
export const RENEW: Script = script(`
if not owns(ARGV[1], ARGV[2]) then return 0 end
redis.call('HSET', key, 'l', now() + ARGV[3])
if redis.call('HGET', key, 'q') == ARGV[1] .. ARGV[2] then redis.call('HSET', key, 'u', ARGV[4]) end
return 1
`)

/** ARGV: context, turn, channel, sender. Another's turn is left alone. */
export const RELEASE: Script = script(`
if not owns(ARGV[1], ARGV[2]) then return 0 end
local waiting = redis.call('HGET', key, 'w')
redis.call('HDEL', key, 'o', 'k', 'l', 'd', 'w')
if waiting then redis.call('PUBLISH', ARGV[3], ARGV[4] .. ' free') end
return 1
`)

function script(body: string): Script {
  const source = COMMON + body
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}
