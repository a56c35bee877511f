-- Finds what was published for the first of these content keys that is known, and notes its use in the same step: a key in use is not forgotten.
-- KEYS 1 images by key, 2 keys by last use; ARGV 1 now (ms), 2... keys
-- Returns the key and its image, or nothing.
for index = 2, #ARGV do
  local image = redis.call('HGET', KEYS[1], ARGV[index])
  if image then
    redis.call('ZADD', KEYS[2], ARGV[1], ARGV[index])
    return { ARGV[index], image }
  end
end
return false
