-- A prompt: each variable is there, of its kind, and stands in its place of the template. What callers send is written as JSON spells it,
-- so no text of theirs becomes a message, a role or a member.
local NUMBER, INTEGER = "^%-?%d+%.?%d*[eE]?[+-]?%d*$", "^%-?%d+$"

local function checked(name, rule, raw)
  local kind = rule.kind
  if kind == "string" then
    if not string.find(raw, '^"') then return nil, "The variable " .. name .. " is not a text." end
    local text = decoded(string.sub(raw, 2, -2))
    if rule.most and rule.most > 0 and #string.gsub(text, "[\128-\191]", "") > rule.most then
      return nil, "The variable " .. name .. " has more than " .. string.format("%d", rule.most) .. " characters."
    end
    if rule.choices and not rule.choices[text] then return nil, "The variable " .. name .. " is none of what it may be." end
    return encoded(text)
  end
  if kind == "boolean" then
    if raw ~= "true" and raw ~= "false" then return nil, "The variable " .. name .. " is not true or false." end
  elseif kind == "integer" then
    if not string.find(raw, INTEGER) or #raw > 20 then return nil, "The variable " .. name .. " is not a whole number." end
  elseif not string.find(raw, NUMBER) or #raw > 40 then
    return nil, "The variable " .. name .. " is not a number."
  end
  if rule.choices and not rule.choices[raw] then return nil, "The variable " .. name .. " is none of what it may be." end
  return raw
end

local function fill(h)
  local here = h:filterContext()
  local declared, pieces = here:get("variables") or {}, here:get("pieces")
  local buffered = h:body(true)
  local body = buffered:getBytes(0, buffered:length())
  local found = members(body)
  if not found then return "BODY_NOT_JSON" end
  for name in pairs(found) do
    if not declared[name] then return "VARIABLE_INVALID", "There is no variable " .. string.sub(name, 1, 80) .. "." end
  end
  local values = {}
  for name, rule in pairs(declared) do
    local place = found[name]
    if place and string.sub(body, place[1], place[2]) ~= "null" then
      local value, why = checked(name, rule, string.sub(body, place[1], place[2]))
      if not value then return "VARIABLE_INVALID", why end
      values[name] = value
    elseif rule.required then
      return "VARIABLE_INVALID", "The variable " .. name .. " is missing."
    else
      values[name] = rule.default
    end
  end
  local parts = {}
  for index, piece in ipairs(pieces) do parts[index] = piece.variable and values[piece.variable] or piece.text end
  buffered:setBytes(table.concat(parts))
end

function envoy_on_request(h)
  local ran, refusal, why = pcall(fill, h)
  if not ran then
    h:logErr("variables: " .. tostring(refusal))
    h:respond({ [":status"] = "500" }, "")
  elseif refusal then
    h:respond({ [":status"] = "400", ["x-portico-refusal"] = refusal }, why or "")
  end
end
