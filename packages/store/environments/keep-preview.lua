-- Keeps what is known of a preview, for who holds its environment; a new one only where fewer than so many stand.
-- KEYS 1 previews of the repository, 2 previews by when to look at them, 3 lane, 4 troubles, 5 environment, 6 clusters with previews,
--      7 environments
-- ARGV 1 environment, 2 preview, 3 holder, 4 environment of the file, 5 how many of that may stand, 6 this preview in KEYS 2,
--      7 when to look at it (ms), 8 its place in KEYS 6, 9 how many may stand in all
-- Returns 1 when kept, 0 when too many of that stand, 2 when too many in all, -1 when the environment is not the holder's.
if redis.call('GET', KEYS[3]) ~= ARGV[3] then return -1 end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  local count = 0
  for _, text in ipairs(redis.call('HVALS', KEYS[1])) do
    if cjson.decode(text).of == ARGV[4] then count = count + 1 end
  end
  if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[9]) then return 2 end
  if count >= tonumber(ARGV[5]) then return 0 end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[7], ARGV[6])
redis.call('SADD', KEYS[6], ARGV[8])
redis.call('SADD', KEYS[7], ARGV[1])
redis.call('PERSIST', KEYS[5])
return 1
