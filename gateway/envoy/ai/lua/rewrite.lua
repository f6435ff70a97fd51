-- In a provider's cluster, for each attempt: its path and host, the model as this provider calls it, and in streams the wish to hear what
-- they used. The route's metadata says what stands for the model at each provider.
--
-- Some providers (what is written in Go) read names of members in whatever case, with the long s and the sign of Kelvin for s and k. What is a
-- name of ours for them alone would choose another model, or more tokens, than was looked at.
local OURS = {
  model = true, stream = true, stream_options = true, max_tokens = true, max_completion_tokens = true, max_output_tokens = true, n = true,
}

local function is_nearly_ours(name)
  local folded = string.lower((string.gsub(string.gsub(name, "\197\191", "s"), "\226\132\170", "k")))
  return folded ~= name and OURS[folded]
end

local function rewrite(h)
  -- What Envoy hands out is valid until the body is waited for, so all is read before.
  local here, route, headers = h:filterContext(), h:metadata(), h:headers()
  local provider, usage = here:get("provider"), here:get("usage") and route:get("usage")
  local path, host = here:get("prefix") .. route:get("path"), here:get("host")
  local model = (route:get("models") or {})[provider]
  if not model then error("no name of the model") end
  headers:replace(":path", path)
  headers:replace(":authority", host)
  local buffered = h:body(true)
  local body = buffered:getBytes(0, buffered:length())
  local found, last = members(body)
  if not found or not found.model then return "BODY_NOT_JSON" end
  for name in pairs(found) do
    if is_nearly_ours(name) then return "BODY_NOT_JSON" end
  end
  local changes = { { found.model[1], found.model[2], model } }
  if usage and found.stream and string.sub(body, found.stream[1], found.stream[2]) == "true" then
    local place = found.stream_options
    if place then
      changes[2] = { place[1], place[2], '{"include_usage":true}' }
    else
      changes[2] = { last, last, ',"stream_options":{"include_usage":true}}' }
    end
    if changes[1][1] > changes[2][1] then changes[1], changes[2] = changes[2], changes[1] end
  end
  local parts, at = {}, 1
  for _, change in ipairs(changes) do
    parts[#parts + 1] = string.sub(body, at, change[1] - 1)
    parts[#parts + 1] = change[3]
    at = change[2] + 1
  end
  parts[#parts + 1] = string.sub(body, at)
  buffered:setBytes(table.concat(parts))
end

function envoy_on_request(h)
  local ran, refusal = pcall(rewrite, h)
  if not ran then
    h:logErr("rewrite: " .. tostring(refusal))
    h:respond({ [":status"] = "500" }, "")
  elseif refusal then
    h:respond({ [":status"] = "400", ["x-portico-refusal"] = refusal }, "")
  end
end

-- A web page is no answer, whatever its status says: so another key is asked, and the log of attempts that failed has this one.
function envoy_on_response(h)
  local headers = h:headers()
  if string.find(headers:get("content-type") or "", "^text/html") and (tonumber(headers:get(":status")) or 0) < 400 then
    headers:replace(":status", "502")
  end
end
