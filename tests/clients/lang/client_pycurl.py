# pycurl: a module that is loaded RTLD_LOCAL and uses the GnuTLS flavour of libcurl on Debian. Easy with callback, then multi.
import json, os, sys
import pycurl
base = sys.argv[1]
bodies = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "bodies.json")))
out = sys.stdout.buffer
def handle(item):
    h = pycurl.Curl()
    h.setopt(h.URL, base + item[0])
    h.setopt(h.POSTFIELDS, json.dumps(item[1]))
    h.setopt(h.HTTPHEADER, ["Content-Type: application/json", "Authorization: Bearer sk-test-planted-secret"])
    h.setopt(h.WRITEFUNCTION, out.write)
    return h
for item in bodies[:3]:
    h = handle(item)
    h.perform()
    out.write(b"%d\n" % h.getinfo(h.RESPONSE_CODE))
    h.close()
m = pycurl.CurlMulti()
h = handle(bodies[3])
m.add_handle(h)
running = 1
while running:
    m.select(0.2)
    running = m.perform()[1]
m.info_read()
m.remove_handle(h)
