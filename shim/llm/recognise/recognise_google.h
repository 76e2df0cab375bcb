/* Google's ":verb" paths, and who uses them elsewhere. Internal to recognise*.c. */
#pragma once

#include "recognised.h"
#include "url.h"

/* Is the last segment of the path ":verb" of a call? Any thread, cheap. */
bool recognise_google_verb(struct url_view last);

/* Fills *ret (api, model, stream, hint as provider if `provider` is NULL, claim). False: none. */
bool recognise_google(struct url_view path, const char *provider, struct recognised *ret);
