-- Accepts a delivery once: dedupe key, run number, sequence, run and event, all or nothing.
-- KEYS 1 delivery, 2 repository, 3 its number counter, 4 sequence, 5 run, 6 events, 7 runs, 8 runs of the repository,
--      9 runs of the sha, 10 open runs, 11 status due
-- ARGV 1 run id, 2 run document, 3 headers, 4 raw body, 5 time to live of the delivery (ms), 6 event, 7 repository id,
--      8 work that the run needs first: 'build' or 'deploy'
-- Returns {0, run id} for a duplicate, {1, number, sequence} for a new run, {2} when the repository is gone.
local earlier = redis.call('HGET', KEYS[1], 'run')
if earlier then return {0, earlier} end
if redis.call('EXISTS', KEYS[2]) == 0 then return {2} end
local number = redis.call('INCR', KEYS[3])
local sequence = redis.call('INCR', KEYS[4])
redis.call('HSET', KEYS[1], 'run', ARGV[1], 'headers', ARGV[3], 'body', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('HSET', KEYS[5], 'doc', ARGV[2], 'version', 1, 'number', number, 'sequence', sequence, 'state', 'queued', 'fence', '',
  'repo', ARGV[7], 'work', ARGV[8])
redis.call('XADD', KEYS[6], 'MAXLEN', '~', 100000, '*', 'run', ARGV[1], 'version', 1, 'event', ARGV[6])
redis.call('ZADD', KEYS[7], sequence, ARGV[1])
redis.call('ZADD', KEYS[8], sequence, ARGV[1])
redis.call('ZADD', KEYS[9], sequence, ARGV[1])
redis.call('SADD', KEYS[10], ARGV[1])
redis.call('ZADD', KEYS[11], 0, ARGV[1])
return {1, number, sequence}
