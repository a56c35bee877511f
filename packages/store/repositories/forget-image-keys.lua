-- Forgets the content keys that nobody used since, and tells what the others stand for.
-- KEYS 1 images by key, 2 keys by last use; ARGV 1 time (ms)
-- Returns the images of the keys that are left.
local unused = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[1])
if #unused > 0 then
  redis.call('ZREM', KEYS[2], unpack(unused))
  redis.call('HDEL', KEYS[1], unpack(unused))
end
return redis.call('HVALS', KEYS[1])
