-- An error in a write callback of Lua's curl module, out through libcurl's frames; the next request works.
local curl = require("curl")
local base, file = arg[1], arg[2]
local body = io.lines(file)()
for _, write in ipairs({ function() error("no", 0) end, function(s) io.write(s) return #s end }) do
  local c = curl.easy_init()
  c:setopt(curl.OPT_URL, base .. "/v1/chat/completions")
  c:setopt(curl.OPT_POSTFIELDS, body)
  c:setopt(curl.OPT_POSTFIELDSIZE, #body)
  c:setopt(curl.OPT_WRITEFUNCTION, write)
  io.write(tostring((select(2, pcall(c.perform, c)))), "\n")
end
