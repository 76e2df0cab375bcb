/*
 * A local model server for the demo and the tests: speaks OpenAI chat and embeddings, Anthropic
 * messages and Ollama's native API, plain and streamed, at a realistic pace. SIMULATED: see
 * model.h.
 *
 *   model_server [--port N] [--port-file FILE] [--pace X] [--no-cache]
 *
 * Listens on 127.0.0.1 only, one thread per connection (libmicrohttpd), until SIGTERM or SIGINT.
 * --port 0 (the default) takes a free port; --port-file receives it once the server listens. --pace
 * multiplies all times; 0 answers at once. --no-cache: no simulated prompt cache, so that the same
 * request always gets the same bytes.
 */
#include "model.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REQUEST_BYTES_MAX = 128 * 1024 * 1024 };

static double arg_pace = 1;

struct connection {
    char *body;
    size_t bytes, capacity;
    struct model_answer answer;
    struct timespec received;
    size_t piece, offset;
};

static const struct route {
    const char *path;
    void (*answer)(const struct model_request *request, struct model_answer *answer);
    bool streams_by_default;
} routes[] = {
    {"/v1/chat/completions", model_openai_chat, false}, {"/v1/embeddings", model_openai_embeddings, false},
    {"/v1/messages", model_anthropic_messages, false},  {"/api/chat", model_ollama_chat, true},
    {"/api/generate", model_ollama_generate, true},
};

/* Text of a message's content: a string, or the text parts of an array. */
static const char *text_of(const cJSON *content)
{
    if (cJSON_IsString(content))
        return content->valuestring;
    const cJSON *part;
    cJSON_ArrayForEach(part, content)
    {
        const cJSON *text = cJSON_GetObjectItem(part, "text");
        if (cJSON_IsString(text))
            return text->valuestring;
    }
    return "";
}

static void read_messages(const cJSON *body, struct model_request *request, const char **ret_user)
{
    const char *instructions = text_of(cJSON_GetObjectItem(body, "system"));
    const cJSON *message;
    cJSON_ArrayForEach(message, cJSON_GetObjectItem(body, "messages"))
    {
        const char *text = text_of(cJSON_GetObjectItem(message, "content"));
        const cJSON *role = cJSON_GetObjectItem(message, "role");
        request->input_tokens += model_tokens(text) + 4;
        if (cJSON_IsString(role) &&
            (strcmp(role->valuestring, "system") == 0 || strcmp(role->valuestring, "developer") == 0))
            instructions = text;
        else
            *ret_user = text;
    }
    request->instruction_tokens = model_tokens(instructions);
    if (cJSON_GetObjectItem(body, "system") != NULL)
        request->input_tokens += request->instruction_tokens;
    request->cached_tokens = model_cache_lookup(instructions, request->instruction_tokens);
}

static struct model_request read_request(const cJSON *body, const struct route *route)
{
    struct model_request request = {.body = body, .model = "unknown", .stream = route->streams_by_default};
    const cJSON *model = cJSON_GetObjectItem(body, "model");
    if (cJSON_IsString(model))
        request.model = model->valuestring;
    const cJSON *stream = cJSON_GetObjectItem(body, "stream");
    if (cJSON_IsBool(stream))
        request.stream = cJSON_IsTrue(stream);
    static const char *const limits[] = {"max_tokens", "max_completion_tokens", NULL};
    for (size_t i = 0; limits[i]; i++) {
        const cJSON *limit = cJSON_GetObjectItem(body, limits[i]);
        if (cJSON_IsNumber(limit))
            request.max_tokens = (long)limit->valuedouble;
    }
    const char *user = "";
    read_messages(body, &request, &user);
    const cJSON *input = cJSON_GetObjectItem(body, cJSON_HasObjectItem(body, "input") ? "input" : "prompt");
    if (cJSON_IsString(input))
        request.input_tokens += model_tokens(input->valuestring);
    request.wants_json = cJSON_HasObjectItem(body, "response_format");
    const cJSON *tool = cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(body, "tools"), 0), "function");
    const cJSON *name = cJSON_GetObjectItem(tool, "name");
    request.wants_tool = cJSON_IsString(name) && strstr(user, "weather") != NULL;
    request.tool_name = request.wants_tool ? name->valuestring : NULL;
    return request;
}

static void answer_error(struct model_answer *answer, unsigned status, const char *type, const char *message)
{
    answer->status = status;
    model_say(answer, "{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,\"code\":null}}\n", message, type);
}

static void make_answer(struct connection *c, const char *method, const char *url)
{
    model_answer_init(&c->answer);
    const struct route *route = NULL;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (strcmp(url, routes[i].path) == 0)
            route = &routes[i];
    if (strcmp(url, "/v1/models") == 0) {
        model_say(&c->answer, "{\"object\":\"list\",\"data\":[{\"id\":\"gpt-4o-mini\",\"object\":\"model\"}]}\n");
        return;
    }
    if (route == NULL || strcmp(method, "POST") != 0) {
        answer_error(&c->answer, 404, "invalid_request_error", "Unknown request URL");
        return;
    }
    cJSON *body = cJSON_ParseWithLength(c->body != NULL ? c->body : "", c->bytes);
    if (!cJSON_IsObject(body)) {
        answer_error(&c->answer, 400, "invalid_request_error", "We could not parse the JSON body of your request");
    } else {
        struct model_request request = read_request(body, route);
        if (strcmp(request.model, "no-such-model") == 0) {
            answer_error(&c->answer, 404, "model_not_found", "The model does not exist");
        } else if (strcmp(request.model, "busy-model") == 0) {
            model_header(&c->answer, "retry-after", "2");
            answer_error(&c->answer, 429, "rate_limit_exceeded", "Rate limit reached");
        } else {
            route->answer(&request, &c->answer);
        }
    }
    cJSON_Delete(body);
}

static void sleep_until_due(const struct connection *c, double due_s)
{
    double at = (double)c->received.tv_nsec * 1e-9 + due_s * arg_pace;
    struct timespec until = {.tv_sec = c->received.tv_sec + (time_t)at,
                             .tv_nsec = (long)((at - (double)(time_t)at) * 1e9)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

/* Hands out the pieces when they are due; a piece larger than the buffer in parts. */
static ssize_t next_bytes(void *context, uint64_t position, char *buffer, size_t max)
{
    struct connection *c = context;
    (void)position;
    if (c->piece == c->answer.n_pieces)
        return MHD_CONTENT_READER_END_OF_STREAM;
    const struct model_piece *piece = &c->answer.pieces[c->piece];
    if (c->offset == 0)
        sleep_until_due(c, piece->due_s);
    size_t bytes = piece->bytes - c->offset < max ? piece->bytes - c->offset : max;
    memcpy(buffer, piece->data + c->offset, bytes);
    c->offset += bytes;
    if (c->offset == piece->bytes) {
        c->offset = 0;
        c->piece++;
    }
    return (ssize_t)bytes;
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct connection *c)
{
    struct MHD_Response *response;
    if (c->answer.n_pieces == 1) {
        sleep_until_due(c, c->answer.pieces[0].due_s);
        response = MHD_create_response_from_buffer(c->answer.pieces[0].bytes, c->answer.pieces[0].data,
                                                   MHD_RESPMEM_PERSISTENT);
    } else {
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, next_bytes, c, NULL);
    }
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", c->answer.content_type);
    for (unsigned i = 0; i < c->answer.n_headers; i++)
        MHD_add_response_header(response, c->answer.header_name[i], c->answer.header_value[i]);
    enum MHD_Result result = MHD_queue_response(connection, c->answer.status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result take_body(struct connection *c, const char *data, size_t bytes)
{
    if (c->bytes + bytes > REQUEST_BYTES_MAX)
        return MHD_NO;
    if (c->bytes + bytes > c->capacity) {
        size_t capacity = (c->bytes + bytes) * 2;
        char *grown = realloc(c->body, capacity);
        if (grown == NULL)
            return MHD_NO;
        c->body = grown;
        c->capacity = capacity;
    }
    memcpy(c->body + c->bytes, data, bytes);
    c->bytes += bytes;
    return MHD_YES;
}

static enum MHD_Result handle(void *server, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *data_bytes, void **state)
{
    (void)server;
    (void)version;
    struct connection *c = *state;
    if (c == NULL) {
        *state = calloc(1, sizeof(*c));
        return *state != NULL ? MHD_YES : MHD_NO;
    }
    if (*data_bytes > 0) {
        enum MHD_Result result = take_body(c, data, *data_bytes);
        *data_bytes = 0;
        return result;
    }
    clock_gettime(CLOCK_MONOTONIC, &c->received);
    make_answer(c, method, url);
    return send_answer(connection, c);
}

static void completed(void *server, struct MHD_Connection *connection, void **state,
                      enum MHD_RequestTerminationCode why)
{
    (void)server;
    (void)connection;
    (void)why;
    struct connection *c = *state;
    if (c == NULL)
        return;
    model_answer_done(&c->answer);
    free(c->body);
    free(c);
    *state = NULL;
}

static bool write_port(const char *file, unsigned port)
{
    char temporary[4096];
    snprintf(temporary, sizeof(temporary), "%s.new", file);
    FILE *out = fopen(temporary, "w");
    if (out == NULL)
        return false;
    fprintf(out, "%u\n", port);
    return fclose(out) == 0 && rename(temporary, file) == 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"port-file", required_argument, NULL, 'f'},
                                            {"pace", required_argument, NULL, 'x'},
                                            {"no-cache", no_argument, NULL, 'c'},
                                            {0}};
    unsigned port = 0;
    const char *port_file = NULL;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (o == 'p')
            port = (unsigned)atoi(optarg);
        else if (o == 'f')
            port_file = optarg;
        else if (o == 'x')
            arg_pace = atof(optarg);
        else if (o == 'c')
            model_cache_on = false;
        else
            return 2;
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handle, NULL,
        MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
        MHD_OPTION_CONNECTION_TIMEOUT, 120u, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
    if (daemon == NULL) {
        fprintf(stderr, "model_server: cannot listen on 127.0.0.1:%u: choose another --port\n", port);
        return 1;
    }
    port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    if (port_file != NULL ? !write_port(port_file, port) : printf("%u\n", port) < 0 || fflush(stdout) != 0) {
        fprintf(stderr, "model_server: cannot write the port\n");
        return 1;
    }
    int signal_number;
    sigwait(&stop, &signal_number);
    MHD_stop_daemon(daemon);
    return 0;
}
