-- For how many tokens a call asks: refused where its plan lets none have so many, and noted for the bucket of tokens a minute.
local RBAC, PLAN = "envoy.filters.http.rbac", "plan_enforced_effective_policy_id"
local NAMES = { "max_tokens", "max_completion_tokens", "max_output_tokens" }

-- Of more than a thousand million Envoy takes one.
local MOST = 999999999

local function asks(h)
  local here = h:filterContext()
  local most, fixed, outputs, unsaid = here:get("most"), here:get("fixed"), here:get("outputs"), here:get("unsaid")
  local metadata = h:streamInfo():dynamicMetadata()
  local plan, said = (metadata:get(RBAC) or {})[PLAN], metadata:get("portico.ai") or {}
  local asked = fixed
  if outputs and not fixed then
    for _, name in ipairs(NAMES) do
      local n = tonumber(said[name])
      if n and (not asked or n > asked) then asked = n end
      if n and n < 0 then return "TOO_MANY_TOKENS" end
    end
    local answers = tonumber(said.n)
    if answers and answers > 1 then
      asked, unsaid = asked and asked * answers, unsaid * answers
    end
  end
  local limit = outputs and (most or {})[plan]
  if limit and (not asked or asked > limit) then return "TOO_MANY_TOKENS" end
  local length = h:body(true):length()
  local reserved = math.ceil(length / 4 + (outputs and (asked or unsaid) or 0))
  h:streamInfo():dynamicMetadata():set("portico.ai", "reserved", math.min(math.max(reserved, 1), MOST))
end

function envoy_on_request(h)
  local ran, refusal = pcall(asks, h)
  if not ran then
    h:logErr("asks: " .. tostring(refusal))
    h:respond({ [":status"] = "500" }, "")
  elseif refusal then
    h:respond({ [":status"] = "400", ["x-portico-refusal"] = refusal }, "")
  end
end
