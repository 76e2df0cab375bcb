# Two libcurls in one process: pycurl (GnuTLS flavour) and, through ctypes, libcurl.so.4 (OpenSSL flavour).
import ctypes, io, json, os, sys
import pycurl
base = sys.argv[1]
bodies = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "bodies.json")))
out = sys.stdout.buffer
curl = ctypes.CDLL("libcurl.so.4")
curl.curl_easy_init.restype = ctypes.c_void_p
curl.curl_version.restype = ctypes.c_char_p
out.write(b"%d %d\n" % (b"OpenSSL" in curl.curl_version(), "GnuTLS" in pycurl.version))
WRITER = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)
@WRITER
def write(data, size, count, user):
    return out.write(ctypes.string_at(data, size * count))
for item in bodies[:2]:
    h = pycurl.Curl()
    h.setopt(h.URL, base + item[0])
    h.setopt(h.POSTFIELDS, json.dumps(item[1]))
    h.setopt(h.WRITEFUNCTION, out.write)
    h.perform()
    easy = ctypes.c_void_p(curl.curl_easy_init())
    body = json.dumps(item[1]).encode()
    curl.curl_easy_setopt(easy, 10002, ctypes.c_char_p((base + item[0]).encode()))
    curl.curl_easy_setopt(easy, 10015, ctypes.c_char_p(body))
    curl.curl_easy_setopt(easy, 20011, write)
    out.write(b"%d\n" % curl.curl_easy_perform(easy))
    curl.curl_easy_cleanup(easy)
    h.close()
