-- Remembers what was published for a content key, for a repository that is there; of too many, those used longest ago are forgotten.
-- KEYS 1 repository, 2 images by key, 3 keys by last use; ARGV 1 key, 2 image, 3 now (ms), 4 most keys
-- Returns 1 when it is kept, 0 when the repository is gone.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
local surplus = redis.call('ZCARD', KEYS[3]) - tonumber(ARGV[4])
if surplus > 0 then
  local oldest = redis.call('ZRANGE', KEYS[3], 0, surplus - 1)
  redis.call('ZREM', KEYS[3], unpack(oldest))
  redis.call('HDEL', KEYS[2], unpack(oldest))
end
return 1
