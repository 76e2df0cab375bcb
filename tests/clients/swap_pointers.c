/*
 * Callbacks replace, in the middle of a transfer, what options point to: body, headers, and error
 * buffer; what was there before may not be touched any more. The next call on the handle uses what
 * was set.
 */
#include "client.h"
#include "guarded.h"

enum { TURNS = 4, BODY_BYTES = 128 };

struct state {
    CURL *easy;
    struct curl_slist *headers;
    char *body, *error;
    int turn;
    int swapped; /* in this call */
};

static char *new_body(int turn)
{
    char text[BODY_BYTES] = "";
    snprintf(text, sizeof(text),
             "{\"model\":\"gpt-test-1\",\"messages\":[{\"role\":\"user\",\"content\":\"turn %d\"}]}", turn);
    return guarded_copy(text, sizeof(text));
}

static void point_to_new(struct state *state)
{
    char text[64];
    snprintf(text, sizeof(text), "X-Turn: %d", state->turn);
    state->headers = curl_slist_append(NULL, text);
    state->body = new_body(state->turn);
    state->error = guarded_room(CURL_ERROR_SIZE);
    curl_easy_setopt(state->easy, CURLOPT_POSTFIELDS, state->body);
    curl_easy_setopt(state->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(state->body));
    curl_easy_setopt(state->easy, CURLOPT_HTTPHEADER, state->headers);
    curl_easy_setopt(state->easy, CURLOPT_ERRORBUFFER, state->error);
}

static void swap(struct state *state, const char *where)
{
    if (state->swapped++)
        return;
    printf("swapped by %s\n", where);
    struct curl_slist *headers = state->headers;
    char *body = state->body, *error = state->error;
    state->turn++;
    point_to_new(state);
    curl_slist_free_all(headers);
    guarded_vanish(body, BODY_BYTES);
    guarded_vanish(error, CURL_ERROR_SIZE);
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct state *state = context;
    (void)data;
    if (state->turn % 2 == 0)
        swap(state, "a header");
    return size * count;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct state *state = context;
    swap(state, "a piece");
    printf("body %zu: %.*s\n", size * count, (int)(size * count), data);
    return size * count;
}

int main(int argc, char **argv)
{
    (void)argc;
    struct state state = {.easy = request(argv[1], "echo")};
    point_to_new(&state);
    curl_easy_setopt(state.easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(state.easy, CURLOPT_HEADERDATA, &state);
    curl_easy_setopt(state.easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(state.easy, CURLOPT_WRITEDATA, &state);
    for (int i = 0; i < TURNS; i++) {
        state.swapped = 0;
        print_info(state.easy, curl_easy_perform(state.easy));
    }
    curl_easy_setopt(state.easy, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_cleanup(state.easy);
    curl_slist_free_all(state.headers);
    return 0;
}
