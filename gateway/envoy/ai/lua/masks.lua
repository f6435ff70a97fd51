-- Before a provider reads it: what must not leave is replaced in every text of the body, and texts that may not be asked are refused.
local function luhn(digits)
  local sum = 0
  for i = 1, #digits do
    local d = string.byte(digits, #digits + 1 - i) - 48
    if i % 2 == 0 then
      d = d * 2
      if d > 9 then d = d - 9 end
    end
    sum = sum + d
  end
  return sum % 10 == 0
end

local function card(text)
  return luhn((string.gsub(text, "%D", ""))) and "[card]" or nil
end

local function phone(text)
  local many = #string.gsub(text, "%D", "")
  return many >= 8 and many <= 15 and "[phone]" or nil
end

-- From each @ outwards, no further than an address is long: to look from its beginning takes forever in a long word.
local function emails(text)
  local parts, done, at = {}, 1, 1
  while true do
    local p = string.find(text, "@", at, true)
    if not p then break end
    local from = p
    while from - 1 >= done and p - from < 64 and string.find(string.sub(text, from - 1, from - 1), "[%w._%%+'-]") do from = from - 1 end
    local domain = string.match(string.sub(text, p + 1, p + 255), "^[%w-]+%.[%w.-]*%w")
    if from < p and domain then
      parts[#parts + 1] = string.sub(text, done, from - 1)
      parts[#parts + 1] = "[email]"
      done = p + #domain + 1
      at = done
    else
      at = p + 1
    end
  end
  if done == 1 then return text end
  parts[#parts + 1] = string.sub(text, done)
  return table.concat(parts)
end

local FOUR = "%d%d%d%d"
local MASKS = {
  email = emails,
  card = function(text)
    text = string.gsub(text, "%f[%d]" .. FOUR .. "[ -]?" .. FOUR .. "[ -]?" .. FOUR .. "[ -]?" .. FOUR .. "%f[%D]", card)
    text = string.gsub(text, "%f[%d]3[47]%d%d[ -]?%d%d" .. FOUR .. "[ -]?%d" .. FOUR .. "%f[%D]", card)
    return text
  end,
  phone = function(text)
    text = string.gsub(text, "%+%d[%d ()/.-]*%d", phone)
    text = string.gsub(text, "%f[%d]00[1-9][%d ()/.-]*%d", phone)
    return text
  end,
}

-- Pictures and files, in which whatever looks like a number is none.
local function is_data(text)
  if #text < 256 then return false end
  local from = string.find(text, "^data:[%w/+.-]+;base64,") and string.find(text, ",", 1, true) + 1 or 1
  return not string.find(text, "[^%w+/=_-]", from)
end

local function guard(h)
  local here = h:filterContext()
  local masks, patterns, blocked = here:get("masks") or {}, here:get("patterns") or {}, here:get("blocked") or {}
  local buffered = h:body(true)
  local body = buffered:getBytes(0, buffered:length())
  local parts, done, at = {}, 1, 1
  while true do
    local p = string.find(body, '"', at, true)
    if not p then break end
    local q = p
    repeat
      q = string.find(body, '"', q + 1, true)
      if not q then return "BODY_NOT_JSON" end
      local b = q
      while string.byte(body, b - 1) == 92 do b = b - 1 end
    until (q - b) % 2 == 0
    local text = decoded(string.sub(body, p + 1, q - 1))
    if not is_data(text) then
      if #blocked > 0 then
        local lower = string.lower(text)
        for _, each in ipairs(blocked) do
          if find_pattern(lower, each, 1) then return "TEXT_BLOCKED" end
        end
      end
      local other = text
      for _, each in ipairs(masks) do other = MASKS[each](other) end
      for _, each in ipairs(patterns) do other = replaced(other, each.pattern, each.put) end
      if other ~= text then
        parts[#parts + 1] = string.sub(body, done, p)
        parts[#parts + 1] = encoded(other)
        done = q
      end
    end
    at = q + 1
  end
  if done > 1 then
    parts[#parts + 1] = string.sub(body, done)
    buffered:setBytes(table.concat(parts))
  end
end

function envoy_on_request(h)
  local ran, refusal = pcall(guard, h)
  if not ran then
    h:logErr("masks: " .. tostring(refusal))
    h:respond({ [":status"] = "500" }, "")
  elseif refusal then
    h:respond({ [":status"] = "400", ["x-portico-refusal"] = refusal }, "")
  end
end
