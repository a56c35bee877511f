-- Writes a secret of a repository that is there, within the bounds of what one repository may have.
-- KEYS 1 repository, 2 its secrets; ARGV 1 name, 2 sealed value with its size, 3 size, 4 most secrets, 5 most bytes
-- Returns 1 when written, 0 when it would be too much, -1 when the repository is gone.
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local bytes = tonumber(ARGV[3])
local count = 1
local all = redis.call('HGETALL', KEYS[2])
for index = 1, #all, 2 do
  if all[index] ~= ARGV[1] then
    count = count + 1
    bytes = bytes + tonumber(cjson.decode(all[index + 1]).bytes)
  end
end
if count > tonumber(ARGV[4]) or bytes > tonumber(ARGV[5]) then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1
