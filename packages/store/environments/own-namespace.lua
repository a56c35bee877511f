-- Gives a namespace of a cluster to the first who asks, and tells whose it is. An owner that is gone gives way.
-- KEYS 1 namespaces; ARGV 1 cluster and namespace, 2 who asks, 3 an owner that is gone ('' if none)
-- Returns the owner.
local owner = redis.call('HGET', KEYS[1], ARGV[1])
if owner and owner ~= ARGV[3] then return owner end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ARGV[2]
