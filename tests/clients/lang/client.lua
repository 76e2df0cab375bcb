-- Lua's curl module (Lua 5.1): a C module, loaded RTLD_LOCAL, GnuTLS flavour on Debian.
local curl = require("curl")
local base, file = arg[1], arg[2]
local paths = { "/v1/chat/completions", "/v1/chat/completions", "/v1/messages", "/api/chat" }
local n = 0
for body in io.lines(file) do
  n = n + 1
  local c = curl.easy_init()
  c:setopt(curl.OPT_URL, base .. paths[n])
  c:setopt(curl.OPT_POSTFIELDS, body)
  c:setopt(curl.OPT_POSTFIELDSIZE, #body)
  c:setopt(curl.OPT_HTTPHEADER, { "Content-Type: application/json", "Authorization: Bearer sk-test-planted-secret" })
  c:setopt(curl.OPT_WRITEFUNCTION, function(s) io.write(s) return #s end)
  io.write(tostring(c:perform()), "\n")
end
