-- Appends to a run's log, unless the writer's attempt is over.
-- KEYS 1 run, 2 log; ARGV 1 fence, 2 stage, 3 text, 4 attempt
-- Returns the entry's id, or nil.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return nil end
return redis.call('XADD', KEYS[2], '*', 'stage', ARGV[2], 'text', ARGV[3], 'attempt', ARGV[4])
