-- Forgets a run that has ended, with all that is kept under its name.
-- KEYS 1 run, 2 open runs, 3 runs, 4 runs of the repository, 5 runs of the sha, 6 status due, 7 statuses posted for the sha, 8 log, 9 lease, 10 provenance, 11 diffs
-- ARGV 1 run id, 2 version read
-- Returns 1 when it is gone, 0 when it is open or was written meanwhile.
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return 0 end
local version = redis.call('HGET', KEYS[1], 'version')
if version and version ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
redis.call('ZREM', KEYS[6], ARGV[1])
if redis.call('EXISTS', KEYS[5]) == 0 then redis.call('DEL', KEYS[7]) end
redis.call('UNLINK', KEYS[1], KEYS[8], KEYS[9], KEYS[10], KEYS[11])
return 1
