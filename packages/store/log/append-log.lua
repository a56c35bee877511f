-- Appends to a run's log, unless the writer's attempt is over.
-- A writer that saw no answer in time sends the same again: a number of its own that was written already is not written
-- twice.
-- KEYS 1 run, 2 log; ARGV 1 fence, 2 stage, 3 text, 4 attempt, 5 the writer's number for it, which only grows
-- Returns the entry's id, 'known' when it was there already, or nil.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return nil end
local last = redis.call('HGET', KEYS[1], 'log:' .. ARGV[2])
if last then
  local number, writer = last:match('^(%d+) (.*)$')
  if writer == ARGV[1] and tonumber(ARGV[5]) <= tonumber(number) then return 'known' end
end
redis.call('HSET', KEYS[1], 'log:' .. ARGV[2], ARGV[5] .. ' ' .. ARGV[1])
return redis.call('XADD', KEYS[2], '*', 'stage', ARGV[2], 'text', ARGV[3], 'attempt', ARGV[4])
