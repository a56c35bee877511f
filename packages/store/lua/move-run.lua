-- Compare-and-set of a run, with its event in the same step.
-- KEYS 1 run, 2 events, 3 open runs, 4 status due, 5 lease
-- ARGV 1 run id, 2 version read, 3 new document, 4 new state, 5 new fence, 6 event, 7 '1' when the new state is final,
--      8 lease: 'take', 'drop' or 'keep', 9 holder, 10 lease (ms),
--      11 work that the run needs next: 'build', 'deploy', or none while it waits at a gate
-- Returns 1 when written, 0 when the version has changed, -1 when the lease is somebody else's.
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[2] then return 0 end
if ARGV[8] == 'take' then
  local holder = redis.call('GET', KEYS[5])
  if holder and holder ~= ARGV[9] then return -1 end
  redis.call('SET', KEYS[5], ARGV[9], 'PX', ARGV[10])
elseif ARGV[8] == 'drop' then
  redis.call('DEL', KEYS[5])
end
local version = tonumber(ARGV[2]) + 1
redis.call('HSET', KEYS[1], 'doc', ARGV[3], 'version', version, 'state', ARGV[4], 'fence', ARGV[5], 'work', ARGV[11])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 100000, '*', 'run', ARGV[1], 'version', version, 'event', ARGV[6])
if ARGV[7] == '1' then redis.call('SREM', KEYS[3], ARGV[1]) end
redis.call('ZADD', KEYS[4], 0, ARGV[1])
return 1
