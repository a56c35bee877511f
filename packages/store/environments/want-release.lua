-- Makes a run the wanted one of its environment, unless a newer one is wanted already (order of intake).
-- KEYS 1 environment; ARGV 1 run id, 2 its place in that order
-- Returns the id of the run that is wanted now.
local wanted = tonumber(redis.call('HGET', KEYS[1], 'sequence') or '0')
if tonumber(ARGV[2]) >= wanted then redis.call('HSET', KEYS[1], 'run', ARGV[1], 'sequence', ARGV[2]) end
return redis.call('HGET', KEYS[1], 'run')
