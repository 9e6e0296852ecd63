-- What wrk sends, and the one line by which it tells how that went. Without arguments it asks for the address of its
-- command line; with the path of a session's template, the count of masks, a seed and a pause, it posts sessions: each has
-- an id of its own, and a mask and a caller drawn evenly. A connection that has its answer pauses for so many milliseconds,
-- more or less, until it asks again.

local function read(path)
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    return text
end

-- The text in pieces, cut where a mark stands: the odd ones are as they are, the even ones names of marks.
local function pieces(text)
    local found, from = {}, 1
    while true do
        local first, last, name = text:find("@(%u+)@", from)
        found[#found + 1] = text:sub(from, (first or 0) - 1)
        if not first then
            return found
        end
        found[#found + 1] = name
        from = last + 1
    end
end

function init(args)
    local template, masks, seed, pause = args[1], tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
    if not template then
        return
    end
    math.randomseed(seed)
    -- Every session has the same length.
    local marks = { SESSION = string.rep("0", 32), MASK = "9992000000", CALLER = "6465550100" }
    local text = read(template)
    local whole = text:gsub("@(%u+)@", marks)
    local head = "POST " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"]
        .. "\r\nContent-Type: application/json\r\nContent-Length: " .. #whole .. "\r\n\r\n"
    local parts = pieces(head .. text)
    local names = {}
    for place = 2, #parts, 2 do
        names[place] = parts[place]
    end
    if pause > 0 then
        delay = function()
            return math.random(0, 2 * pause)
        end
    end
    local count = 0
    request = function()
        count = count + 1
        marks.SESSION = string.format("%016x%016x", seed, count)
        marks.MASK = string.format("999%07d", 2000000 + math.random(0, masks - 1))
        marks.CALLER = string.format("646555%04d", math.random(0, 9999))
        for place, name in pairs(names) do
            parts[place] = marks[name]
        end
        return table.concat(parts)
    end
end

function done(summary, latency)
    local errors = summary.errors
    print(string.format("relay: %d %d %d %d %d %d", summary.requests, summary.duration, latency:percentile(50),
        latency:percentile(99), errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
