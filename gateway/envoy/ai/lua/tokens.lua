-- On the way back to the caller: what the provider says of tokens, into dynamic metadata; nothing is held back. And what is none of the
-- caller's business: that a provider refused our key, or answered with a page of its own.
local FIELDS = {
  prompt_tokens = "input", input_tokens = "input", completion_tokens = "output", output_tokens = "output", cached_tokens = "cached",
  cache_read_input_tokens = "cache_read", cache_creation_input_tokens = "cache_write", reasoning_tokens = "reasoning",
}
local MOST = 4096

-- The last that is told is it, whole: what callers made a provider repeat before, as the schema of a tool, leaves nothing. Only streams of
-- Anthropic's tell in parts.
local function count(h, object, told, in_parts)
  local metadata = h:streamInfo():dynamicMetadata()
  if not in_parts then
    for field in pairs(told) do metadata:set("portico.tokens", field, 0) end
  end
  for name, value in string.gmatch(object, '"([a-z_]+)"%s*:%s*(%d+)') do
    local field = FIELDS[name]
    if field then
      metadata:set("portico.tokens", field, tonumber(value))
      told[field] = true
    end
  end
  metadata:set("portico.tokens", "seen", 1)
end

local function read(h, in_parts)
  local rest, told = "", {}
  for chunk in h:bodyChunks() do
    local n = chunk:length()
    if n > 0 then
      local text = rest .. chunk:getBytes(0, n)
      local at, open = 1, nil
      while true do
        local p = string.find(text, '"usage"', at, true)
        if not p then break end
        local object, after = string.match(text, '^"usage"%s*:%s*(%b{})()', p)
        if object then
          count(h, object, told, in_parts)
          at = after
        elseif string.find(text, '^"usage"%s*:?%s*$', p) or string.find(text, '^"usage"%s*:%s*{', p) then
          open = p
          break
        else
          at = p + 7
        end
      end
      rest = open and #text - open < MOST and string.sub(text, open) or string.sub(text, math.max(at, #text - 7))
    end
  end
end

local function replace(h, document)
  local headers, told = h:headers(), false
  headers:replace(":status", "503")
  headers:replace("content-type", "application/problem+json")
  headers:replace("x-portico-refusal", "PROVIDER_UNAVAILABLE")
  for _, name in ipairs({ "content-length", "content-encoding", "www-authenticate", "etag", "last-modified", "set-cookie" }) do headers:remove(name) end
  for chunk in h:bodyChunks() do
    if chunk:length() > 0 then
      chunk:setBytes(told and "" or document)
      told = true
    end
  end
end

function envoy_on_response(h)
  local headers = h:headers()
  local status, kind = headers:get(":status"), headers:get("content-type") or ""
  -- What the gateway says itself.
  if headers:get("x-portico-refusal") then return end
  if status == "401" or status == "403" or string.find(kind, "^text/html") then
    local id = h:streamInfo():filterState():get("portico.ai.request") or ""
    local document = string.gsub(h:filterContext():get("unavailable"), "REQUEST_ID", (string.gsub(id, "[^%w-]", "")))
    return replace(h, document)
  end
  local streams = string.find(kind, "^text/event%-stream")
  if status == "200" and (streams or string.find(kind, "^application/json")) then
    local in_parts = streams and h:filterContext():get("in_parts")
    read(h, in_parts)
  end
end
