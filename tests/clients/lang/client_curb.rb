# Ruby curb: a C extension, loaded RTLD_LOCAL, GnuTLS flavour on Debian (typhoeus in the same language goes by FFI). Easy, then multi.
require 'curb'
require 'json'
base = ARGV[0]
bodies = JSON.parse(File.read(File.join(__dir__, 'bodies.json')))
$stdout.binmode
handle = lambda do |path, body|
  c = Curl::Easy.new(base + path)
  c.headers = { 'Content-Type' => 'application/json', 'Authorization' => 'Bearer sk-test-planted-secret' }
  c.post_body = JSON.generate(body)
  c
end
c = handle.call(*bodies[0])
c.perform
$stdout.write c.body_str, c.response_code, "\n"
c = handle.call(*bodies[1])
c.on_body { |data| $stdout.write data }
c.perform
multi = Curl::Multi.new
out = {}
bodies[2, 2].each_with_index do |item, i|
  c = handle.call(*item)
  c.on_complete { |done| out[i] = done.body_str }
  multi.add c
end
multi.perform
2.times { |i| $stdout.write out[i] }
