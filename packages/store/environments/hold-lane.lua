-- Takes or keeps the right to roll out to an environment.
-- KEYS 1 lane; ARGV 1 holder, 2 lease (ms)
-- Returns 1 when held, 0 when somebody else holds it.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
