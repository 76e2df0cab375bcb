/*
 * Makes the PROCESS frame, see greeting.h. Called by the outbox on the scribe's thread.
 */
#include "greeting.h"

#include <errno.h>
#include <string.h>

int greeting_make(const struct span_process *process, uint8_t *to, size_t capacity, size_t *ret_bytes)
{
    struct span_buffer payload, out;
    span_buffer_init(&payload, capacity);
    span_buffer_init(&out, capacity);
    int rc = span_process_write(&payload, process);
    if (rc == 0) {
        struct span_frame frame = {.kind = SPAN_FRAME_PROCESS, .payload = payload.data, .payload_bytes = payload.bytes};
        memcpy(frame.identity, process->identity, sizeof(frame.identity));
        rc = span_frame_write(&out, &frame);
    }
    if (rc == 0) {
        memcpy(to, out.data, out.bytes);
        *ret_bytes = out.bytes;
    }
    span_buffer_done(&payload);
    span_buffer_done(&out);
    return rc == 0 ? 0 : -ENOMEM;
}
