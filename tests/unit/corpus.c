/* Reads exchanges kept as JSON lines, see corpus.h. The same for Python: tests/corpus.py. Used by
 * test programs, on their only thread. */
#include "corpus.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *corpus_directory(void)
{
    const char *const said = getenv("LIBPPROF_CORPUS");
    const char *const directory = said != NULL && said[0] ? said : PPROF_SOURCE_DIR "/../shared/corpus";
    char pattern[4096];
    glob_t found = {0};
    snprintf(pattern, sizeof(pattern), "%s/*.jsonl", directory);
    const bool there = !glob(pattern, 0, NULL, &found) && found.gl_pathc;
    globfree(&found);
    if (there)
        return directory;
    fprintf(stderr,
            "\n*** THE CORPUS IS NOT THERE (%s): nothing was checked against recorded traffic.\n"
            "*** Set LIBPPROF_CORPUS to its directory.\n\n",
            pattern);
    return NULL;
}

static size_t read_file(const char *path, corpus_visit *visit, void *context)
{
    FILE *const file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0, count = 0;
    const bool negative = !strncmp(strrchr(path, '/') + 1, "negatives", 9);
    while (file != NULL && getline(&line, &room, file) > 0) {
        cJSON *const record = cJSON_Parse(line);
        count++;
        if (!cJSON_IsString(cJSON_GetObjectItem(record, "id"))) {
            fprintf(stderr, "%s:%zu: no exchange\n", path, count);
            exit(1);
        }
        visit(context, record, negative);
        cJSON_Delete(record);
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return count;
}

size_t corpus_each(const char *directory, corpus_visit *visit, void *context)
{
    char pattern[4096];
    glob_t found = {0};
    size_t count = 0;
    const size_t bytes = strlen(directory);
    const bool file = bytes > 6 && !strcmp(directory + bytes - 6, ".jsonl");
    snprintf(pattern, sizeof(pattern), file ? "%s" : "%s/*.jsonl", directory);
    if (!glob(pattern, 0, NULL, &found))
        for (size_t i = 0; i < found.gl_pathc; i++)
            count += read_file(found.gl_pathv[i], visit, context);
    globfree(&found);
    return count;
}

struct corpus_bytes corpus_base64(const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t n = strspn(text, digits);
    if (text[n + strspn(text + n, "=")] != '\0') {
        fprintf(stderr, "no base64: %s\n", text);
        exit(1);
    }
    struct corpus_bytes bytes = {.data = malloc(n + 1), .count = 0};
    unsigned bits = 0, have = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 6 | (unsigned)(strchr(digits, text[i]) - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes.data[bytes.count++] = (uint8_t)(bits >> have);
        }
    }
    return bytes;
}

static struct corpus_bytes joined(const cJSON *lines)
{
    size_t room = 1;
    const cJSON *line;
    cJSON_ArrayForEach(line, lines) room += strlen(line->valuestring) + 1;
    struct corpus_bytes bytes = {.data = malloc(room), .count = 0};
    cJSON_ArrayForEach(line, lines)
    {
        if (line != lines->child)
            bytes.data[bytes.count++] = '\n';
        memcpy(bytes.data + bytes.count, line->valuestring, strlen(line->valuestring));
        bytes.count += strlen(line->valuestring);
    }
    return bytes;
}

struct corpus_bytes corpus_body(const cJSON *part)
{
    const cJSON *const base64 = cJSON_GetObjectItem(part, "body_b64"), *const text = cJSON_GetObjectItem(part, "body");
    const cJSON *const lines = cJSON_GetObjectItem(part, "body_lines");
    if (cJSON_IsArray(lines))
        return joined(lines);
    if (cJSON_IsString(text))
        return (struct corpus_bytes){.data = (uint8_t *)strdup(text->valuestring), .count = strlen(text->valuestring)};
    return corpus_base64(cJSON_IsString(base64) ? base64->valuestring : "");
}
