/* See multipart.h. Called by request.c. */
#include "multipart.h"

#include <string.h>
#include <strings.h>

enum { FIRST_LINE, HEADERS, BODY, AFTER_BOUNDARY, END };

static bool ends_crlf(const char *line, size_t bytes)
{
    return bytes && line[bytes - 1] == '\n';
}

/* The value of `; key=` in a Content-Disposition line, quoted or not. NULL: not there. Quoted
 * values may hold semicolons. */
static const char *parameter(const char *line, size_t bytes, const char *key, size_t *ret_bytes)
{
    const size_t key_bytes = strlen(key);
    const char *const end = line + bytes;
    const char *p = memchr(line, ';', bytes);
    while (p != NULL && ++p < end) {
        while (p < end && (*p == ' ' || *p == '\t'))
            p++;
        const char *const name = p;
        while (p < end && *p != '=' && *p != ';')
            p++;
        const size_t name_bytes = (size_t)(p - name);
        p += p < end && *p == '=';
        const bool quoted = p < end && *p == '"';
        p += quoted;
        const char *const value = p;
        while (p < end && (quoted ? *p != '"' : memchr("; \t\r\n", *p, 5) == NULL))
            p++;
        if (name_bytes == key_bytes && !strncasecmp(name, key, key_bytes)) {
            *ret_bytes = (size_t)(p - value);
            return value;
        }
        p = p < end ? memchr(p, ';', (size_t)(end - p)) : NULL;
    }
    return NULL;
}

static void take_header(struct multipart *m)
{
    static const char disposition[] = "content-disposition:";
    size_t bytes;
    if (m->line_bytes < sizeof(disposition) - 1 || strncasecmp(m->line, disposition, sizeof(disposition) - 1) != 0)
        return;
    const char *const name = parameter(m->line, m->line_bytes, "name", &bytes);
    if (name != NULL) {
        m->name_bytes = (uint8_t)(bytes < MULTIPART_NAME_MAX ? bytes : MULTIPART_NAME_MAX);
        memcpy(m->name, name, m->name_bytes);
    }
    m->file = parameter(m->line, m->line_bytes, "filename", &bytes) != NULL ||
              parameter(m->line, m->line_bytes, "filename*", &bytes) != NULL;
}

static void begin_part(struct multipart *m)
{
    m->state = HEADERS;
    m->line_bytes = 0;
    m->name_bytes = 0;
    m->file = false;
}

static void begin_body(struct multipart *m)
{
    m->state = BODY;
    m->matched = 0;
    m->value_bytes = 0;
    m->part_bytes = 0;
}

static void end_part(struct multipart *m)
{
    if (!m->file)
        m->handler->field(m->context, m->name, m->name_bytes, m->value, m->value_bytes, m->part_bytes > m->value_bytes);
    else if (m->handler->file != NULL)
        m->handler->file(m->context, m->name, m->name_bytes, m->part_bytes);
    m->state = AFTER_BOUNDARY;
    m->tail = 0;
}

/* A line of the head; what is longer than the buffer is passed over, its end is not. */
static void head_byte(struct multipart *m, char c)
{
    if (m->line_bytes < MULTIPART_LINE_MAX)
        m->line[m->line_bytes++] = c;
    if (c != '\n')
        return;
    const bool empty = m->line_bytes == 1 || (m->line_bytes == 2 && m->line[0] == '\r');
    if (empty)
        begin_body(m);
    else
        take_header(m);
    m->line_bytes = 0;
}

static void first_line_byte(struct multipart *m, char c)
{
    if (m->line_bytes == MULTIPART_BOUNDARY_MAX + 2) {
        m->bad = true;
        return;
    }
    m->line[m->line_bytes++] = c;
    if (!ends_crlf(m->line, m->line_bytes))
        return;
    size_t bytes = m->line_bytes;
    while (bytes && strchr("\r\n \t", m->line[bytes - 1]) != NULL)
        bytes--;
    m->bad = bytes < 3 || memcmp(m->line, "--", 2) != 0;
    memcpy(m->boundary, "\r\n", 2);
    memcpy(m->boundary + 2, m->line, bytes);
    m->boundary_bytes = (uint8_t)(bytes + 2);
    begin_part(m);
}

static void keep(struct multipart *m, const char *data, size_t bytes)
{
    const size_t room = MULTIPART_VALUE_MAX - (size_t)m->value_bytes, take = bytes < room ? bytes : room;
    if (!m->file)
        memcpy(m->value + m->value_bytes, data, take);
    m->value_bytes = (uint16_t)(m->value_bytes + take);
    m->part_bytes += bytes;
}

/* CR stands only at the boundary's beginning, so after a mismatch nothing but the byte at hand can
 * begin it anew. */
static size_t push_body(struct multipart *m, const char *data, size_t bytes)
{
    if (!m->matched) {
        const char *const cr = memchr(data, '\r', bytes);
        const size_t plain = cr != NULL ? (size_t)(cr - data) : bytes;
        keep(m, data, plain);
        m->matched = cr != NULL;
        return plain + (cr != NULL);
    }
    if (*data == m->boundary[m->matched]) {
        if (++m->matched == m->boundary_bytes)
            end_part(m);
        return 1;
    }
    keep(m, m->boundary, m->matched);
    m->matched = 0;
    return 0; /* this byte is looked at again */
}

static void after_boundary_byte(struct multipart *m, char c)
{
    if (c == '-' && ++m->tail == 2)
        m->state = END;
    if (c == '\n')
        begin_part(m);
}

void multipart_init(struct multipart *m, const struct multipart_handler *handler, void *context)
{
    *m = (struct multipart){.handler = handler, .context = context, .state = FIRST_LINE};
}

void multipart_push(struct multipart *m, const char *data, size_t bytes)
{
    for (size_t at = 0; at < bytes && !m->bad && m->state != END;) {
        switch (m->state) {
        case FIRST_LINE:
            first_line_byte(m, data[at++]);
            break;
        case HEADERS:
            head_byte(m, data[at++]);
            break;
        case BODY:
            at += push_body(m, data + at, bytes - at);
            break;
        default:
            after_boundary_byte(m, data[at++]);
            break;
        }
    }
}

bool multipart_complete(const struct multipart *m)
{
    return m->state == END && !m->bad;
}
