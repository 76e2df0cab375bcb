/* Hosts whose paths do not tell what is called: Hugging Face, Tencent Cloud, Cloudflare's AI
 * gateway. Internal to recognise*.c. */
#pragma once

#include "recognised.h"
#include "url.h"

/* Is it such a host? Any thread, cheap. */
bool recognise_root_host(const struct url *url);

/* Fills *ret (api, model, claim) of a POST to such a host. False: none, or no call. */
bool recognise_root(const struct url *url, const char *headers, size_t headers_bytes, struct recognised *ret);

/* Of a call whose API is "tencent-chat" so far: the one that its header X-TC-Action names, if that
 * is there. */
void recognise_tencent_action(const char *headers, size_t headers_bytes, struct recognised *ret);

/* The value of a header in "Name: value\n" lines, without blanks around it; empty: it is not
 * there. */
struct url_view recognise_header(const char *headers, size_t bytes, const char *name);
