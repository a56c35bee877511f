-- Counts the runs in a row whose release failed in an environment; the last that may fail puts a hold on it. A run counts
-- once, however often it was tried.
-- KEYS 1 environment; ARGV 1 run id, 2 '1' when its release is healthy, 3 how many may fail, 4 hold (JSON)
-- Returns 1 when this put the hold, else 0.
if ARGV[2] == '1' then
  redis.call('HDEL', KEYS[1], 'failing')
  return 0
end
local failing = redis.call('HGET', KEYS[1], 'failing') or ''
if string.find(failing, ARGV[1], 1, true) then return 0 end
failing = failing .. ' ' .. ARGV[1]
redis.call('HSET', KEYS[1], 'failing', failing)
local _, count = string.gsub(failing, '%S+', '')
if count < tonumber(ARGV[3]) then return 0 end
return redis.call('HSETNX', KEYS[1], 'hold', ARGV[4])
