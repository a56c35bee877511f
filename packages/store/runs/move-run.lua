-- Compare-and-set of a run, with its events in the same step.
-- KEYS 1 run, 2 events, 3 open runs, 4 status due, 5 lease
-- ARGV 1 run id, 2 version read, 3 new document, 4 new state, 5 new fence, 6 '1' when the new state is final,
--      7 lease: 'take', 'drop' or 'keep', 8 holder, 9 lease (ms),
--      10 work that the run needs next: 'build', 'deploy', or none while it waits at a gate, 11 nobody takes it before (ms), or none,
--      12 and on: the events, each a version of its own
-- Returns 1 when written, 0 when the version has changed, -1 when the lease is somebody else's.
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[2] then return 0 end
if ARGV[7] == 'take' then
  local holder = redis.call('GET', KEYS[5])
  if holder and holder ~= ARGV[8] then return -1 end
  redis.call('SET', KEYS[5], ARGV[8], 'PX', ARGV[9])
elseif ARGV[7] == 'drop' then
  redis.call('DEL', KEYS[5])
end
local version = tonumber(ARGV[2])
for index = 12, #ARGV do
  version = version + 1
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', 100000, '*', 'run', ARGV[1], 'version', version, 'event', ARGV[index])
end
redis.call('HSET', KEYS[1], 'doc', ARGV[3], 'version', version, 'state', ARGV[4], 'fence', ARGV[5], 'work', ARGV[10], 'retryAt', ARGV[11])
if ARGV[6] == '1' then redis.call('SREM', KEYS[3], ARGV[1]) end
redis.call('ZADD', KEYS[4], 0, ARGV[1])
return 1
