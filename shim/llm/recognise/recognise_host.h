/* Hosts: who serves them (providers.def), and what LIBPPROF_ENDPOINTS says of them. All but
 * recognise_configure() is internal to recognise*.c. */
#pragma once

#include "url.h"

struct recognise_endpoint {
    struct url_view host, path; /* path: empty, or without the slash at its end */
    uint16_t port;              /* 0: any */
    const char *api, *provider; /* provider: NULL if not given */
};

/* From providers.def, else from ports that tell; NULL: nobody we know. *ret_platform: that host
 * serves more than models. `url` as split. */
const char *recognise_host_provider(const struct url *url, bool *ret_platform);

/* The entry of LIBPPROF_ENDPOINTS for this URL, or NULL; the one with the longest path wins.
 * Returns at once when there are none. */
const struct recognise_endpoint *recognise_endpoint_find(const struct url *url);

enum { RECOGNISE_ENDPOINTS_MAX = 64 }; /* entries of LIBPPROF_ENDPOINTS */

/*
 * LIBPPROF_ENDPOINTS: "host[:port][/path]=api[,provider];...". An entry without path tells who that
 * host is (paths that are known keep their own shape, all other POSTs get `api`); with a path it is
 * for that path and what lies below it. Once, before threads start; NULL or "" empties the table.
 * Bad entries are left out. Returns NULL, or one sentence about the first bad entry (static
 * memory).
 */
const char *recognise_configure(const char *endpoints);
