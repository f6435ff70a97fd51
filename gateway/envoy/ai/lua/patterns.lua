-- Patterns of a publisher, as Lua writes them, looked for in time that grows with the text alone: string.find tries each repetition at each
-- place, and a text can be made for which that takes for ever. Of all matches the first is found, and of those that begin there the longest.
local KEPT, kept, many = 200, {}, 0

local function set_of(class)
  local set = {}
  for byte = 0, 255 do
    if string.find(string.char(byte), class) then set[byte] = true end
  end
  return set
end

-- What stands for one character, from `at` on, and where it ends.
local function class_at(pattern, at)
  local c = string.sub(pattern, at, at)
  if c == "%" then return string.sub(pattern, at, at + 1), at + 2 end
  if c ~= "[" then return (c == "." or string.find(c, "[%w\128-\255]")) and c or "%" .. c, at + 1 end
  local i = at + 1
  if string.sub(pattern, i, i) == "^" then i = i + 1 end
  repeat
    i = i + (string.sub(pattern, i, i) == "%" and 2 or 1)
  until i > #pattern or string.sub(pattern, i, i) == "]"
  return string.sub(pattern, at, i), i + 1
end

local function compiled(pattern)
  if kept[pattern] then return kept[pattern] end
  local sets, loops, optional, border, n, at = {}, {}, {}, {}, 0, 1
  local first
  while at <= #pattern do
    local class
    if string.sub(pattern, at, at + 2) == "%f[" then
      class, at = class_at(pattern, at + 2)
      n = n + 1
      sets[n], border[n] = set_of("^" .. class), true
    else
      class, at = class_at(pattern, at)
      local set, sign = set_of("^" .. class), string.sub(pattern, at, at)
      local repeats = sign == "*" or sign == "+" or sign == "-"
      if sign ~= "" and string.find(sign, "[*+?-]") then at = at + 1 else sign = "" end
      if sign ~= "*" and sign ~= "?" and sign ~= "-" then
        if n == 0 or (n == 1 and border[1]) then first = class end
        n = n + 1
        sets[n] = set
      end
      if repeats or sign == "?" then
        n = n + 1
        sets[n], loops[n], optional[n] = set, repeats, true
      end
    end
  end
  if many == KEPT then kept, many = {}, 0 end
  many = many + 1
  kept[pattern] = { sets = sets, loops = loops, optional = optional, border = border, n = n, first = first }
  return kept[pattern]
end

-- Where the first match from `at` on begins and ends.
local function find_pattern(text, pattern, at)
  local found = compiled(pattern)
  local sets, loops, optional, border, n, first = found.sets, found.loops, found.optional, found.border, found.n, found.first
  local byte, length, now, after = string.byte, #text, {}, {}
  local low, high, from, to, p = n + 2, 0, nil, nil, at
  while p <= length + 1 do
    if high == 0 then
      if from then break end
      if first then
        p = string.find(text, first, p)
        if not p then return nil end
      end
    end
    if not from and not now[1] then
      now[1], low = p, 1
      if high < 1 then high = 1 end
    end
    local here = byte(text, p)
    local k = low
    while k <= high do
      local start = now[k]
      if start and k <= n then
        local on = optional[k]
        if border[k] then
          on = sets[k][here or 0] and not sets[k][p > 1 and byte(text, p - 1) or 0]
          now[k] = nil
        end
        if on and (not now[k + 1] or now[k + 1] > start) then
          now[k + 1] = start
          if k == high then high = k + 1 end
        end
      end
      k = k + 1
    end
    local ended = now[n + 1]
    if ended and ended < p and (not from or ended <= from) then from, to = ended, p - 1 end
    now[n + 1] = nil
    local next_low, next_high = n + 2, 0
    for j = low, high do
      local start = now[j]
      now[j] = nil
      if start and here and j <= n and (not from or start <= from) and sets[j][here] then
        local target = loops[j] and j or j + 1
        if not after[target] or after[target] > start then after[target] = start end
        if target < next_low then next_low = target end
        if target > next_high then next_high = target end
      end
    end
    now, after, low, high = after, now, next_low, next_high
    p = p + 1
  end
  if from then return from, to end
end

local function replaced(text, pattern, put)
  local parts, at = {}, 1
  while at <= #text do
    local from, to = find_pattern(text, pattern, at)
    if not from then break end
    parts[#parts + 1] = string.sub(text, at, from - 1)
    parts[#parts + 1] = put
    at = to + 1
  end
  if at == 1 then return text end
  parts[#parts + 1] = string.sub(text, at)
  return table.concat(parts)
end
