-- The members of an object, each where its value stands in the text, and the place of the object's end. A text that others could read in
-- another way than we is refused: members that stand twice, names with escapes, what does not end.
local function members(body)
  local found, i, depth, key, from = {}, 1, 0, nil, nil
  local find, byte, sub = string.find, string.byte, string.sub
  local function closed(to)
    if found[key] then return false end
    while from <= to and find(sub(body, to, to), "[ \t\r\n]") do to = to - 1 end
    found[key] = { from, to }
    from = nil
    return true
  end
  local start = find(body, "[^ \t\r\n]")
  if not start or byte(body, start) ~= 123 then return nil end
  while true do
    local p = find(body, '["{}%[%],]', i)
    if not p then return nil end
    local c = byte(body, p)
    if c == 34 then
      local q = p
      repeat  -- A quotation mark behind an odd number of backslashes is part of the text. Plain searches are as fast as memory is.
        q = find(body, '"', q + 1, true)
        if not q then return nil end
        local b = q
        while byte(body, b - 1) == 92 do b = b - 1 end
      until (q - b) % 2 == 0
      if depth == 1 and not from then
        local after = string.match(body, "^[ \t\r\n]*:[ \t\r\n]*()", q + 1)
        if not after then return nil end
        key = sub(body, p + 1, q - 1)
        if find(key, "\\", 1, true) then return nil end
        from, i = after, after
      else
        i = q + 1
      end
    else
      if c == 123 or c == 91 then
        depth = depth + 1
      elseif c == 125 or c == 93 then
        depth = depth - 1
        if depth == 0 then
          if from and not closed(p - 1) then return nil end
          if find(body, "[^ \t\r\n]", p + 1) then return nil end
          return found, p
        end
      elseif depth == 1 and from and not closed(p - 1) then
        return nil
      end
      i = p + 1
    end
  end
end
