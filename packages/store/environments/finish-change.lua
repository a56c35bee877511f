-- Writes how a waiting change ended; with the last of them the environment has none that wait.
-- KEYS 1 changes, 2 environments with changes that wait; ARGV 1 its number, 2 change, 3 this environment in KEYS 2
-- Returns 1 when written, 0 when it had ended or is forgotten.
local known = redis.call('HGET', KEYS[1], ARGV[1])
local written = 0
if known and cjson.decode(known).state == 'waiting' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  written = 1
end
for _, text in ipairs(redis.call('HVALS', KEYS[1])) do
  if cjson.decode(text).state == 'waiting' then return written end
end
redis.call('SREM', KEYS[2], ARGV[3])
return written
