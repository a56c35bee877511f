-- Claims the next generation of an environment, for who holds the right to roll out to it and nobody else: a holder that
-- was frozen and lost it must not get a number above its successor's.
-- KEYS 1 environment, 2 lane; ARGV 1 holder, 2 generation that is live in the target
-- Returns the generation, or 0 when the lane is not the holder's.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local last = tonumber(redis.call('HGET', KEYS[1], 'generation') or '0')
local generation = math.max(last, tonumber(ARGV[2])) + 1
redis.call('HSET', KEYS[1], 'generation', generation)
return generation
