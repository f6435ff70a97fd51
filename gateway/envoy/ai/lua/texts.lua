-- What stands between the quotation marks of JSON, as the text that it means, in UTF-8; and back.
local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function utf8(n)
  local char, floor = string.char, math.floor
  if n < 0x80 then return char(n) end
  if n < 0x800 then return char(0xC0 + floor(n / 64), 0x80 + n % 64) end
  if n < 0x10000 then return char(0xE0 + floor(n / 4096), 0x80 + floor(n / 64) % 64, 0x80 + n % 64) end
  return char(0xF0 + floor(n / 262144), 0x80 + floor(n / 4096) % 64, 0x80 + floor(n / 64) % 64, 0x80 + n % 64)
end

local function decoded(text)
  if not string.find(text, "\\", 1, true) then return text end
  local parts, at = {}, 1
  while true do
    local p = string.find(text, "\\", at, true)
    if not p then break end
    parts[#parts + 1] = string.sub(text, at, p - 1)
    local c = string.sub(text, p + 1, p + 1)
    if c == "u" then
      local n = tonumber(string.match(text, "^%x%x%x%x", p + 2) or "fffd", 16)
      at = p + 6
      if n >= 0xD800 and n < 0xDC00 then
        local low = string.match(text, "^\\u([dD][c-fC-F]%x%x)", at)
        if low then
          n, at = 0x10000 + (n - 0xD800) * 1024 + tonumber(low, 16) - 0xDC00, at + 6
        else
          n = 0xFFFD
        end
      elseif n >= 0xDC00 and n < 0xE000 then
        n = 0xFFFD
      end
      parts[#parts + 1] = utf8(n)
    else
      parts[#parts + 1] = ESCAPES[c] or c
      at = p + 2
    end
  end
  parts[#parts + 1] = string.sub(text, at)
  return table.concat(parts)
end

local function encoded(text)
  text = string.gsub(text, '[%z\1-\31\\"]', function(c)
    if c == '"' or c == "\\" then return "\\" .. c end
    return string.format("\\u%04x", string.byte(c))
  end)
  return text
end
