# Exceptions in callbacks of curb (C extension) and typhoeus (FFI), and a throw past libcurl; the next request works.
require 'curb'
require_relative 'quiet_media_types'
require 'typhoeus'
require 'json'
url = ARGV[0] + '/v1/chat/completions'
body = JSON.generate(JSON.parse(File.read(File.join(__dir__, 'bodies.json')))[0][1])
[-> { raise 'no' }, -> { throw :out }].each do |leave|
  catch(:out) do
    c = Curl::Easy.new(url)
    c.post_body = body
    c.on_body { leave.call }
    c.perform
  rescue StandardError => e
    puts e.class
  end
end
request = Typhoeus::Request.new(url, method: :post, body: body)
request.on_body { |_| :abort }
puts request.run.return_code
puts Typhoeus.post(url, body: body).body
