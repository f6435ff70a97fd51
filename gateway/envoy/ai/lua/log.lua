-- For a log of its own, where an API keeps that: what a call asks, as a provider gets it, and what it is answered. In filter state, which
-- the log of calls has nothing of; in Base64, because what is no UTF-8 would break the log; and in pieces, so that of an answer that breaks
-- off there is what came before. Nothing is held back for it, and no call fails where it does.
local CONTENT, MOST, PIECE = "portico.content", 65536, 3072
-- So much of all tenants and of one is logged in a second, by each thread of Envoy's: calls are counted by what goes the same way.
local OF_ALL, OF_ONE = 1572864, 786432

-- Where the events of a stream have the texts that they add, by the members that lead there. All else in them repeats those, or is no text.
local ADDS = {
  ["choices.delta.content"] = true, ["choices.delta.content.text"] = true, ["choices.delta.refusal"] = true,
  ["choices.delta.tool_calls.function.arguments"] = true, ["choices.delta.function_call.arguments"] = true,
  ["content_block.text"] = true, ["delta.text"] = true, ["delta.partial_json"] = true,
}
-- And of those that have it at one place, whatever it is, the ones that answer.
local TYPES = {
  ["response.output_text.delta"] = true, ["response.refusal.delta"] = true, ["response.function_call_arguments.delta"] = true,
}
-- So deep in a document any of them stands.
local DEEPEST = 8

local second, all, of = 0, 0, {}

local function fits(tenant, n)
  local now = os.time()
  if now ~= second then second, all, of = now, 0, {} end
  local mine = of[tenant] or 0
  if all + n > OF_ALL or mine + n > OF_ONE then return false end
  all, of[tenant] = all + n, mine + n
  return true
end

local function note(h, key, text)
  h:streamInfo():filterState():set(CONTENT .. "." .. key, "envoy.string", h:base64Escape(text))
end

-- What is no text stands beside the call in both logs. Only calls that are "kept" are in this one.
local function mark(h, key, value)
  h:streamInfo():dynamicMetadata():set(CONTENT, key, value)
end

local function marks(h)
  return h:streamInfo():dynamicMetadata():get(CONTENT) or {}
end

-- The texts that an event adds, still as JSON spells them, and its type; of one that is cut, what is there.
local function added(event)
  local find, byte, sub = string.find, string.byte, string.sub
  local texts, opened, depth, path, kind, delta, i = {}, {}, 0, "", nil, nil, 1
  while true do
    local p = find(event, '["{}%[%]]', i)
    if not p then break end
    local c = byte(event, p)
    i = p + 1
    if c == 34 then
      local q = p
      repeat
        q = find(event, '"', q + 1, true)
        local b = q
        while b and byte(event, b - 1) == 92 do b = b - 1 end
      until not q or (q - b) % 2 == 0
      i = (q or #event) + 1
      if depth <= DEEPEST then
        local text = sub(event, p + 1, (q or #event + 1) - 1)
        if find(event, "^[ \t]*:", i) then
          path = (opened[depth] or "") == "" and text or opened[depth] .. "." .. text
        elseif path == "type" then
          kind = text
        elseif path == "delta" then
          delta = text
        elseif ADDS[path] then
          texts[#texts + 1] = text
        end
      end
    elseif c == 123 or c == 91 then
      depth = depth + 1
      if depth <= DEEPEST then opened[depth] = path end
    else
      if depth <= DEEPEST then path = opened[depth] or "" end
      depth = depth - 1
    end
  end
  if delta and TYPES[kind] then texts[#texts + 1] = delta end
  return table.concat(texts), kind
end

-- Keeps what it is given, until it has enough; then it says no.
local function keeper(h, tenant)
  local rest, number, has = "", 1, 0
  return function(text)
    local more = string.sub(text, 1, MOST - has)
    if not fits(tenant, #more) then more = "" end
    if has == 0 and more ~= "" then mark(h, "kept", "yes") end
    has, rest = has + #more, rest .. more
    while #rest > PIECE do
      note(h, "answer" .. number, string.sub(rest, 1, PIECE))
      rest, number = string.sub(rest, PIECE + 1), number + 1
    end
    -- What there is of the last one so far: nobody knows whether more comes.
    if rest ~= "" then note(h, "answer" .. number, rest) end
    if #more == #text then return true end
    mark(h, "answer_cut", 1)
    return false
  end
end

local function whole(h, tenant)
  local keep = keeper(h, tenant)
  for chunk in h:bodyChunks() do
    local n = chunk:length()
    if n > 0 and not keep(chunk:getBytes(0, math.min(n, MOST + 1))) then return end
  end
end

local function streamed(h, tenant)
  local keep, parts, length = keeper(h, tenant), {}, 0
  mark(h, "streamed", 1)
  local function hold(text)
    parts[#parts + 1] = length < MOST and string.sub(text, 1, MOST - length) or nil
    length = length + #text
  end
  local function ended()
    local line, long = table.concat(parts), length > MOST
    parts, length = {}, 0
    local event = string.match(line, "^data:[ \t]*({.*)")
    if not event then return true end
    if not (long or string.find(event, '"delta"', 1, true) or string.find(event, '"content_block"', 1, true)) then return true end
    local texts, kind = added(event)
    -- Events this long are the ones that repeat all; where it is another one, something is missing.
    if long and not (kind and string.find(kind, "^response%.") and not TYPES[kind]) then mark(h, "answer_cut", 1) end
    return texts == "" or keep(texts)
  end
  for chunk in h:bodyChunks() do
    local n = chunk:length()
    local text, at = n > 0 and chunk:getBytes(0, n) or "", 1
    while true do
      local p = string.find(text, "\n", at, true)
      hold(string.sub(text, at, (p or #text + 1) - 1))
      if not p then break end
      if not ended() then return end
      at = p + 1
    end
  end
  ended()
end

local function asked(h)
  local here = h:filterContext()
  if not here:get("requests") then return end
  local tenant, body = here:get("tenant"), h:body(true)
  local n = body:length()
  if n == 0 then return end
  local text = body:getBytes(0, math.min(n, MOST))
  if not fits(tenant, #text) then return mark(h, "left_out", 1) end
  note(h, "request", text)
  mark(h, "kept", "yes")
  if n > MOST then mark(h, "request_cut", 1) end
end

local function answered(h)
  local headers, here, said = h:headers(), h:filterContext(), marks(h)
  if headers:get("x-portico-refusal") then
    -- Nobody answered it but the gateway.
    if said.kept then mark(h, "kept", "no") end
    return
  end
  if said.left_out or not here:get("answers") or headers:get("content-encoding") then return end
  local kind, tenant = string.lower(headers:get("content-type") or ""), here:get("tenant")
  if string.find(kind, "^text/event%-stream") then
    streamed(h, tenant)
  elseif string.find(kind, "^application/[%w.+-]*json") then
    whole(h, tenant)
  end
end

function envoy_on_request(h)
  local ran, why = pcall(asked, h)
  if not ran then h:logErr("log: " .. tostring(why)) end
end

function envoy_on_response(h)
  local ran, why = pcall(answered, h)
  if not ran then h:logErr("log: " .. tostring(why)) end
end
