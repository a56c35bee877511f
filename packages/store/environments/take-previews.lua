-- Takes the previews that are to be looked at, so that nobody else does until they are due again.
-- KEYS 1 previews by when to look at them (ms); ARGV 1 now, 2 when they are due again, 3 how many at most
-- Returns them.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, member in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[2], member) end
return due
