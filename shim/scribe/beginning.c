/* Reading a TAPE_BEGIN (beginning.h). Called by the scribe. Must believe no length that the record
 * states. */
#include "beginning.h"

#include <string.h>

bool beginning_read(const struct tape_record *record, char lines[static HEADER_LINES_BYTES_MAX],
                    struct exchange_start *ret_start, enum tape_source *ret_source)
{
    struct tape_begin begin;
    if (record->bytes < sizeof(begin))
        return false;
    memcpy(&begin, record->payload, sizeof(begin));
    size_t left = record->bytes - sizeof(begin);
    if (begin.method_bytes > left || begin.url_bytes > left - begin.method_bytes ||
        begin.headers_bytes > left - begin.method_bytes - begin.url_bytes)
        return false;
    const char *method = (const char *)record->payload + sizeof(begin);
    const char *url = method + begin.method_bytes;
    *ret_start = (struct exchange_start){
        .time_ns = record->time_ns,
        .wall_ns = begin.wall_ns,
        .method = method,
        .method_bytes = begin.method_bytes,
        .url = url,
        .url_bytes = begin.url_bytes,
        .headers = lines,
        .headers_bytes = header_lines_write(url + begin.url_bytes, begin.headers_bytes, lines, HEADER_LINES_BYTES_MAX),
        .decoded = (begin.flags & TAPE_BEGIN_DECODED) != 0,
    };
    *ret_source = begin.source;
    return true;
}
