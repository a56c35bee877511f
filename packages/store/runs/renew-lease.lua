-- Keeps a lease, also one that ran out while Redis was away, as long as nobody else has the run.
-- KEYS 1 run, 2 lease; ARGV 1 fence, 2 holder, 3 lease (ms)
-- Returns 1 when kept, 0 when the run is somebody else's by now.
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
