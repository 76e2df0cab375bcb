# An exception in a write callback of pycurl, which prints it; the next request works. (What ctypes hands to libcurl then is not defined.)
import json, os, sys
import pycurl
url = sys.argv[1].encode() + b"/v1/chat/completions"
body = json.dumps(json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "bodies.json")))[0][1]).encode()
def fail(data):
    raise ValueError("no")
for write in fail, sys.stdout.buffer.write:
    h = pycurl.Curl()
    h.setopt(h.URL, url)
    h.setopt(h.POSTFIELDS, body)
    h.setopt(h.WRITEFUNCTION, write)
    try:
        h.perform()
    except pycurl.error as error:
        sys.stdout.buffer.write(b"%d\n" % error.args[0])
    h.close()
