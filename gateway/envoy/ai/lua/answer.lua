-- Of a prompt's answer what its caller waits for: the text alone. What is no such answer stays as it is.
local MOST = 1048576

local function text_of(body)
  local p = string.match(body, '"choices"%s*:%s*%[()')
  local from = p and string.match(body, '"content"%s*:%s*"()', p)
  if not from then return nil end
  local q = from - 1
  repeat
    q = string.find(body, '"', q + 1, true)
    if not q then return nil end
    local b = q
    while string.byte(body, b - 1) == 92 do b = b - 1 end
  until (q - b) % 2 == 0
  return string.sub(body, from, q - 1)
end

local function whole(body)  -- whether the object that began has ended
  local depth, i = 0, 1
  while true do
    local p = string.find(body, '["{}]', i)
    if not p then return false end
    local c = string.byte(body, p)
    if c == 34 then
      repeat
        p = string.find(body, '"', p + 1, true)
        if not p then return false end
        local b = p
        while string.byte(body, b - 1) == 92 do b = b - 1 end
      until (p - b) % 2 == 0
    elseif c == 123 then depth = depth + 1
    else
      depth = depth - 1
      if depth == 0 then return true end
    end
    i = p + 1
  end
end

function envoy_on_response(h)
  local headers = h:headers()
  if headers:get(":status") ~= "200" or not (headers:get("content-type") or ""):find("^application/json") then return end
  local length = tonumber(headers:get("content-length") or "")
  if length and length > MOST then return end
  headers:remove("content-length")
  local held = ""
  for chunk in h:bodyChunks() do
    local n = chunk:length()
    if n > 0 then
      held = held .. chunk:getBytes(0, n)
      if #held > MOST then
        chunk:setBytes(held)
        return
      elseif (length and #held >= length) or (not length and whole(held)) then
        local text = text_of(held)
        chunk:setBytes(text and '{"text":"' .. text .. '"}' or held)
        return
      end
      chunk:setBytes("")
    end
  end
end
