-- Keeps what a deployer saw of an environment, as long as looking at it is its task.
-- KEYS 1 watch, 2 seen; ARGV 1 holder, 2 state, 3 time to live (ms)
-- Returns 1 when written, 0 when the task is somebody else's by now.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
