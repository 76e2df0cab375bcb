# Ruby typhoeus: ethon binds libcurl by FFI (dlopen and dlsym). Single requests, a streamed one, then a hydra (multi).
require_relative 'quiet_media_types'
require 'typhoeus'
require 'json'
base = ARGV[0]
bodies = JSON.parse(File.read(File.join(__dir__, 'bodies.json')))
headers = { 'Content-Type' => 'application/json', 'Authorization' => 'Bearer sk-test-planted-secret' }
$stdout.binmode
path, body = bodies[0]
r = Typhoeus.post(base + path, body: JSON.generate(body), headers: headers)
$stdout.write r.body, r.code, "\n"
path, body = bodies[1]
request = Typhoeus::Request.new(base + path, method: :post, body: JSON.generate(body), headers: headers)
request.on_body { |chunk| $stdout.write chunk }
request.run
hydra = Typhoeus::Hydra.new
requests = bodies[2, 2].map { |p, b| Typhoeus::Request.new(base + p, method: :post, body: JSON.generate(b), headers: headers) }
requests.each { |q| hydra.queue q }
hydra.run
requests.each { |q| $stdout.write q.response.body }
