/* Names of API shapes, see apis.h. */
#include "apis.h"

#include <string.h>

static const struct {
    char name[24], operation[20];
} apis[] = {
#define API(name, operation) {name, operation},
#include "apis.def"
#undef API
};

const char *recognise_operation(const char *api)
{
    for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++)
        if (!strcmp(apis[i].name, api))
            return apis[i].operation;
    return NULL;
}

const char *recognise_api_name(const char *api, size_t bytes)
{
    for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++)
        if (strlen(apis[i].name) == bytes && !memcmp(apis[i].name, api, bytes))
            return apis[i].name;
    return NULL;
}
