-- Chooses the run that gets its turn now, in the order of `turnOrder` (packages/domain/waiting.ts): the repository with the
-- fewest runs in hand, then the one whose last turn is longest ago; within a repository the oldest run. What is chosen counts
-- as in hand at once, so that no two workers choose the same run, and no repository gets more than its limit.
-- KEYS 1 open runs, 2 turns; ARGV 1 prefix of runs, 2 prefix of repositories, 3 how long a choice holds (ms)
-- Returns the run as it is now: doc, number, sequence, version, and how many more wait; or nil when none may be taken.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local inHand, oldest = {}, {}
local waiting = 0
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local run = redis.call('HMGET', ARGV[1] .. id, 'version', 'fence', 'repo', 'sequence', 'work', 'turn', 'retryAt')
  local version, fence, repo, work, turn = run[1], run[2], run[3], run[5], run[6]
  local isEarly = (tonumber(run[7] or '') or 0) > now
  if version and repo and work == 'build' and not isEarly then
    -- A choice is '<version>:<until>': it is void once the run has moved.
    local chosen, til = string.match(turn or '', '^(%d+):(%d+)$')
    if fence ~= '' or (chosen == version and tonumber(til) > now) then
      inHand[repo] = (inHand[repo] or 0) + 1
    else
      waiting = waiting + 1
      local sequence = tonumber(run[4])
      local first = oldest[repo]
      if not first or sequence < first.sequence then oldest[repo] = { id = id, sequence = sequence, version = version } end
    end
  end
end
local best
for repo, run in pairs(oldest) do
  run.repo = repo
  run.rank = inHand[repo] or 0
  run.turn = tonumber(redis.call('HGET', KEYS[2], repo) or '0')
  local limit = run.rank > 0 and tonumber(redis.call('HGET', ARGV[2] .. repo, 'maxRuns') or '0') or 0
  if limit == 0 or run.rank < limit then
    if not best or run.rank < best.rank
      or (run.rank == best.rank and (run.turn < best.turn or (run.turn == best.turn and run.sequence < best.sequence)))
    then best = run end
  end
end
if not best then return nil end
redis.call('HSET', ARGV[1] .. best.id, 'turn', best.version .. ':' .. string.format('%.0f', now + tonumber(ARGV[3])))
redis.call('HSET', KEYS[2], best.repo, redis.call('HINCRBY', KEYS[2], 'last', 1))
local chosen = redis.call('HMGET', ARGV[1] .. best.id, 'doc', 'number', 'sequence', 'version')
chosen[5] = waiting - 1
return chosen
