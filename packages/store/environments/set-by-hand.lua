-- Keeps the replicas that a person chose for the release that is live; those for an earlier one are forgotten.
-- KEYS 1 environment, 2 lane; ARGV 1 holder, 2 generation, 3 workload, 4 replicas, or nothing to forget them
-- Returns 1 when written, 0 when the lane is not the holder's or another release is live.
if redis.call('GET', KEYS[2]) ~= ARGV[1] or redis.call('HGET', KEYS[1], 'live') ~= ARGV[2] then return 0 end
local known = redis.call('HGET', KEYS[1], 'byHand')
local byHand = known and cjson.decode(known) or {}
if byHand.generation ~= tonumber(ARGV[2]) then byHand = { generation = tonumber(ARGV[2]), replicas = {} } end
byHand.replicas[ARGV[3]] = ARGV[4] ~= '' and tonumber(ARGV[4]) or nil
redis.call('HSET', KEYS[1], 'byHand', cjson.encode(byHand))
return 1
