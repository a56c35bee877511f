-- Keeps a change of an environment under the next number, and forgets the oldest.
-- KEYS 1 environment, 2 changes, 3 environments with changes that wait
-- ARGV 1 change, 2 this environment in KEYS 3, 3 most kept, 4 most that may wait
-- Returns its number, or 0 when too many wait.
local isWaiting = cjson.decode(ARGV[1]).state == 'waiting'
if isWaiting then
  local count = 0
  for _, text in ipairs(redis.call('HVALS', KEYS[2])) do
    if cjson.decode(text).state == 'waiting' then count = count + 1 end
  end
  if count >= tonumber(ARGV[4]) then return 0 end
end
local id = redis.call('HINCRBY', KEYS[1], 'changes', 1)
redis.call('HSET', KEYS[2], id, ARGV[1])
redis.call('HDEL', KEYS[2], id - tonumber(ARGV[3]))
if isWaiting then redis.call('SADD', KEYS[3], ARGV[2]) end
return id
