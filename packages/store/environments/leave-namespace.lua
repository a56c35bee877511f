-- Gives a namespace of a cluster back, if it is still the asker's.
-- KEYS 1 namespaces; ARGV 1 cluster and namespace, 2 who asks
-- Returns 1 when it was given back, else 0.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
