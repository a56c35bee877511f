-- Forgets an environment that was removed, and that it was a preview, for who holds it. Its numbers stay a while, so that what is
-- older stays older.
-- KEYS 1 previews of the repository, 2 previews by when to look at them, 3 lane, 4 troubles, 5 environment, 6 environments,
--      7 releases, 8 what was seen, 9 changes, 10 environments with changes that wait
-- ARGV 1 environment, 2 holder, 3 this one in KEYS 2 and 10, 4 how long its numbers stay (ms)
-- Returns 1 when forgotten, 0 when the environment is not the holder's.
if redis.call('GET', KEYS[3]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[3])
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('HDEL', KEYS[5], 'live', 'byHand', 'hold', 'failing', 'rules')
redis.call('PEXPIRE', KEYS[5], ARGV[4])
redis.call('SREM', KEYS[6], ARGV[1])
redis.call('DEL', KEYS[7], KEYS[8], KEYS[9])
redis.call('SREM', KEYS[10], ARGV[3])
return 1
