/* URLs: splitting, decoding, recognition. First byte: method; then a URL. Whatever recognise()
 * accepts must be a candidate. */
#include "shim/llm/recognise/recognise.h"
#include "shim/llm/recognise/recognise_host.h"
#include "shim/llm/recognise/url.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const methods[] = {"POST", "GET", "", "DELETE"};
    static struct recognised recognised;
    char decoded[64];
    struct url url;
    if (!bytes)
        return 0;
    const char *const method = methods[data[0] & 3];
    const char *const text = (const char *)data + 1;
    if (data[0] & 4) {
        char list[300] = {0};
        memcpy(list, text, bytes - 1 < sizeof(list) - 1 ? bytes - 1 : sizeof(list) - 1);
        (void)recognise_configure(list);
    }
    if (url_split(text, bytes - 1, &url))
        (void)url_decode(url.path.data, url.path.bytes, decoded, sizeof(decoded));
    if (recognise(method, strlen(method), text, bytes - 1, text, bytes - 1, &recognised) &&
        !recognise_candidate(method, strlen(method), text, bytes - 1))
        abort();
    return 0;
}
