# Python ctypes: dlopen and dlsym of libcurl.so.4, called through libffi; default write to stdout and a callback.
import ctypes, json, os, sys
base = sys.argv[1].encode()
bodies = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "bodies.json")))
curl = ctypes.CDLL("libcurl.so.4")
curl.curl_easy_init.restype = ctypes.c_void_p
URL, POSTFIELDS, WRITEFUNCTION = 10002, 10015, 20011
WRITER = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)
@WRITER
def write(data, size, count, user):
    sys.stdout.buffer.write(ctypes.string_at(data, size * count))
    return size * count
for n, item in enumerate(bodies):
    h = ctypes.c_void_p(curl.curl_easy_init())
    body = json.dumps(item[1]).encode()
    curl.curl_easy_setopt(h, URL, ctypes.c_char_p(base + item[0].encode()))
    curl.curl_easy_setopt(h, POSTFIELDS, ctypes.c_char_p(body))
    if n:
        curl.curl_easy_setopt(h, WRITEFUNCTION, write)
    code = curl.curl_easy_perform(h)
    if not n:
        ctypes.CDLL(None).fflush(None)
    sys.stdout.buffer.write(b"%d\n" % code)
    sys.stdout.flush()
    curl.curl_easy_cleanup(h)
