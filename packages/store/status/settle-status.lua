-- Takes a run off the due list, unless it has moved on since it was read.
-- KEYS 1 status due, 2 run; ARGV 1 run id, 2 version read
if redis.call('HGET', KEYS[2], 'version') == ARGV[2] then return redis.call('ZREM', KEYS[1], ARGV[1]) end
return 0
