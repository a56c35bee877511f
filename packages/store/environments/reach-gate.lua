-- Notes that a run has come to the gate of an environment, unless a newer one has, or rolls out already (order of intake).
-- KEYS 1 environment; ARGV 1 run id, 2 its place in that order
-- Returns the id of the newest run there.
local rolling = tonumber(redis.call('HGET', KEYS[1], 'sequence') or '0')
local newest = tonumber(redis.call('HGET', KEYS[1], 'gateSequence') or '0')
local sequence = tonumber(ARGV[2])
if sequence >= newest and sequence >= rolling then
  redis.call('HSET', KEYS[1], 'gateRun', ARGV[1], 'gateSequence', ARGV[2])
  return ARGV[1]
end
return redis.call('HGET', KEYS[1], newest >= rolling and 'gateRun' or 'run')
