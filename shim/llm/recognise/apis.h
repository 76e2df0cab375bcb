/* The names of API shapes (pprof.api) and what each does: apis.def. Pure; any thread. */
#pragma once

#include <stddef.h>

/* gen_ai.operation.name of an API that is known, NULL of others. */
const char *recognise_operation(const char *api);

/* Every name that pprof.api may have is here; NULL if this is none. Returns the static text. */
const char *recognise_api_name(const char *api, size_t bytes);
