/* The flags in endpoints.def; what they mean stands there. */
#pragma once

enum { FIRM = 1, STREAM = 2, WHOLE = 4, POLL = 8, GET = 16, ANY = 32, BARE = 64 };
