/* shim/base/config.c and say.c: what each variable becomes, bad values, LD_PRELOAD for children.
 * The environment is a table here. */
#include "shim/base/config.h"
#include "shim/base/say.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct variable {
    const char *name, *value;
};
static const struct variable *variables;
static char log_path[] = "/tmp/pprof-test-config-XXXXXX";

static const char *reader(const char *name)
{
    for (const struct variable *v = variables; v->name != NULL; v++)
        if (strcmp(v->name, name) == 0)
            return v->value;
    return NULL;
}

#define READ(...)                                                                                                      \
    ({                                                                                                                 \
        variables = (const struct variable[]){__VA_ARGS__ __VA_OPT__(, ){NULL, NULL}};                                 \
        struct shim_config read_here = {.disabled = true, .preview_chars = 99};                                        \
        config_read(&read_here, reader);                                                                               \
        read_here;                                                                                                     \
    })

static void test_nothing_said(void **state)
{
    (void)state;
    struct shim_config config = READ();
    assert_false(config.disabled);
    assert_true(config.follow);
    assert_null(config.socket); /* the default is looked up when it is needed */
    assert_false(config.spool_said);
    assert_null(config.spool); /* no HOME either */
    assert_null(config.service);
    assert_null(config.team);
    assert_null(config.labels);
    assert_null(config.prompt);
    assert_null(config.endpoints);
    assert_null(config.log);
    assert_int_equal(config.preview_chars, 0);
    assert_false(config.hash_key_said);
}

static void test_switches(void **state)
{
    (void)state;
    assert_true(READ({"LIBPPROF_DISABLE", "1"}).disabled);
    assert_true(READ({"LIBPPROF_DISABLE", "no"}).disabled); /* any value but 0 */
    assert_false(READ({"LIBPPROF_DISABLE", "0"}).disabled);
    assert_false(READ({"LIBPPROF_DISABLE", ""}).disabled);
    assert_false(READ({"LIBPPROF_FOLLOW", "0"}).follow);
    assert_true(READ({"LIBPPROF_FOLLOW", "1"}).follow);
    assert_true(READ({"LIBPPROF_FOLLOW", ""}).follow);
}

static void test_paths(void **state)
{
    (void)state;
    struct shim_config config = READ({"XDG_RUNTIME_DIR", "/run/user/1"}, {"XDG_STATE_HOME", "/s"}, {"HOME", "/h"});
    assert_null(config.socket);
    assert_string_equal(config.base.runtime_dir, "/run/user/1");
    assert_string_equal(config.base.state_home, "/s");
    assert_string_equal(config.base.home, "/h");
    assert_string_equal(READ({"LIBPPROF_SOCKET", "/x/y"}, {"XDG_RUNTIME_DIR", "/run/user/1"}).socket, "/x/y");
    assert_null(READ({"LIBPPROF_SOCKET", "relative"}).socket);
    char path[109];
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[108] = '\0';
    assert_null(READ({"LIBPPROF_SOCKET", path}).socket);
    path[107] = '\0';
    assert_string_equal(READ({"LIBPPROF_SOCKET", path}).socket, path); /* 107 bytes are the most that fit */
    assert_string_equal(READ({"HOME", "/home/u"}).spool, "/home/u/.local/state/libpprof/spool");
    assert_string_equal(READ({"HOME", "/home/u"}, {"XDG_STATE_HOME", "/s"}).spool, "/s/libpprof/spool");
    assert_null(READ({"HOME", "/home/u"}, {"LIBPPROF_SPOOL", "off"}).spool);
    assert_true(READ({"HOME", "/home/u"}, {"LIBPPROF_SPOOL", "off"}).spool_said);
    assert_string_equal(READ({"HOME", "/home/u"}, {"LIBPPROF_SPOOL", "/sp"}).spool, "/sp");
    assert_string_equal(READ({"HOME", "/home/u"}, {"LIBPPROF_SPOOL", "sp"}).spool,
                        "/home/u/.local/state/libpprof/spool");
}

static void test_service_and_labels(void **state)
{
    (void)state;
    const char *attributes = " service.name=a%20b , team.color=red,deployment.environment=prod,broken,=x";
    struct shim_config config = READ({"OTEL_RESOURCE_ATTRIBUTES", attributes});
    assert_string_equal(config.service, "a b");
    assert_string_equal(config.labels, "team.color=red,deployment.environment=prod");
    config = READ({"OTEL_RESOURCE_ATTRIBUTES", attributes}, {"OTEL_SERVICE_NAME", "otel"});
    assert_string_equal(config.service, "otel");
    config =
        READ({"OTEL_RESOURCE_ATTRIBUTES", attributes}, {"OTEL_SERVICE_NAME", "otel"}, {"LIBPPROF_SERVICE", "said"});
    assert_string_equal(config.service, "said");
    assert_string_equal(READ({"LIBPPROF_TEAM", "core"}).team, "core");
    assert_string_equal(READ({"LIBPPROF_PROMPT", "triage@3"}).prompt, "triage@3");
    assert_string_equal(READ({"LIBPPROF_ENDPOINTS", "h:1=ollama"}).endpoints, "h:1=ollama");
    assert_null(READ({"OTEL_RESOURCE_ATTRIBUTES", "k=a%2Cb"}).labels); /* a comma could not be told from a separator */
    assert_string_equal(READ({"OTEL_RESOURCE_ATTRIBUTES", "k=50%"}).labels, "k=50%");
    char many[4096] = "";
    for (int i = 0; i < 300; i++)
        (void)snprintf(many + strlen(many), sizeof(many) - strlen(many), "key%03d=v,", i);
    config = READ({"OTEL_RESOURCE_ATTRIBUTES", many});
    assert_true(strlen(config.labels) < CONFIG_LABELS_BYTES_MAX);
    assert_true(strlen(config.labels) > CONFIG_LABELS_BYTES_MAX - 16);
}

/* Labels travel with every span: keys and people's addresses are none. */
static void test_labels_without_secrets(void **state)
{
    (void)state;
    static const char *const secret[] = {
        "key=sk-proj-Ab3dEf6hIj9kLm", "app.password=x",      "api.key=x",        "auth=x",
        "mail=erika@example.com",     "phone=+491701234567", "a=ghp_0123456789", "session_token=1"};
    for (size_t i = 0; i < sizeof(secret) / sizeof(*secret); i++) {
        char text[128];
        (void)snprintf(text, sizeof(text), "a=b,%s,c=d", secret[i]);
        assert_string_equal(READ({"OTEL_RESOURCE_ATTRIBUTES", text}).labels, "a=b,c=d");
    }
    static const char fine[] =
        "container.id=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef,host.ip=10.0.0.1,"
        "service.version=1.2.3.4,k8s.pod.uid=9352ed1c-88bf-4258-a466-d29911ebcbe4";
    assert_string_equal(READ({"OTEL_RESOURCE_ATTRIBUTES", fine}).labels, fine);
}

static void test_preview(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        unsigned chars;
        bool user;
    } cases[] = {
        {"40", 40, false},     {"200", 200, false},  {"201", 200, false}, {"99999999999999999999999999", 200, false},
        {"40,user", 40, true}, {"0,user", 0, false}, {"-1", 0, false},    {"x", 0, false},
        {"4x", 0, false},      {"99999x", 0, false}, {" 4", 0, false},    {"0x10", 0, false},
        {",user", 0, false},   {"user", 0, false},   {"40,", 0, false},   {"40,users", 0, false},
        {"40,user,", 0, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct shim_config config = READ({"LIBPPROF_PREVIEW", cases[i].said});
        assert_int_equal(config.preview_chars, cases[i].chars);
        assert_int_equal(config.preview_user, cases[i].user);
    }
}

/* Without the variable no key is known here: the scribe reads the installation's. */
static void test_hash_key(void **state)
{
    (void)state;
    static const uint8_t none[SPAN_KEY_BYTES];
    struct shim_config unsaid = READ();
    struct shim_config secret = READ({"LIBPPROF_HASH_KEY", "secret"});
    struct shim_config again = READ({"LIBPPROF_HASH_KEY", "secret"});
    struct shim_config other = READ({"LIBPPROF_HASH_KEY", "secret2"});
    assert_false(unsaid.hash_key_said);
    assert_memory_equal(unsaid.hash_key, none, sizeof(none));
    assert_true(secret.hash_key_said);
    assert_memory_equal(secret.hash_key, again.hash_key, sizeof(none));
    assert_memory_not_equal(secret.hash_key, other.hash_key, sizeof(none));
    assert_memory_not_equal(secret.hash_key, none, sizeof(none));
}

static void test_values_are_copied(void **state)
{
    (void)state;
    char team[] = "core";
    struct shim_config config = READ({"LIBPPROF_TEAM", team});
    memset(team, 'x', sizeof(team) - 1);
    assert_string_equal(config.team, "core");
}

static void test_too_long(void **state)
{
    (void)state;
    size_t bytes = CONFIG_TEXT_BYTES_MAX;
    char *huge = malloc(bytes + 1);
    memset(huge, 'a', bytes);
    huge[bytes] = '\0';
    struct shim_config config = READ({"LIBPPROF_SERVICE", huge}, {"LIBPPROF_TEAM", "core"});
    assert_null(config.service);
    assert_string_equal(config.team, "core");
    free(huge);
}

static size_t read_log(char *text, size_t bytes)
{
    FILE *file = fopen(log_path, "re");
    assert_non_null(file);
    size_t n = fread(text, 1, bytes - 1, file);
    (void)fclose(file);
    text[n] = '\0';
    return n;
}

static void test_said_once(void **state)
{
    (void)state;
    char text[4096];
    static const char message[] = "a cause of this test";
    shim_say_to(NULL);
    shim_say_once("silent");
    shim_say_to(log_path);
    for (int i = 0; i < 3; i++)
        shim_say_once_about(message, "what");
    shim_say_once("another");
    (void)read_log(text, sizeof(text));
    assert_string_equal(text, "libpprof: a cause of this test: what\nlibpprof: another\n");
    shim_say_to(NULL);
    assert_null(READ({"LIBPPROF_LOG", "off"}).log);
    assert_null(READ({"LIBPPROF_LOG", "relative"}).log);
    assert_string_equal(READ({"LIBPPROF_LOG", "stderr"}).log, "stderr");
    assert_string_equal(READ({"LIBPPROF_LOG", "/x"}).log, "/x");
}

static void unfollow(const char *value, const char *own, const char *wanted)
{
    char entry[512];
    char before[] = "A=1";
    char after[] = "LIBPPROF_FOLLOW=0";
    (void)snprintf(entry, sizeof(entry), "LD_PRELOAD=%s", value);
    char *environment[] = {before, entry, after, NULL};
    config_unfollow(environment, own);
    assert_string_equal(environment[0], "A=1");
    if (wanted == NULL) {
        assert_string_equal(environment[1], "LIBPPROF_FOLLOW=0");
        assert_null(environment[2]);
        return;
    }
    assert_string_equal(environment[1] + strlen("LD_PRELOAD="), wanted);
    assert_string_equal(environment[2], "LIBPPROF_FOLLOW=0");
}

static void test_unfollow(void **state)
{
    (void)state;
    unfollow("/a/libpprof.so", "/a/libpprof.so", NULL);
    unfollow("/a/libpprof.so:/b/other.so", "/a/libpprof.so", "/b/other.so");
    unfollow("/b/other.so:/a/libpprof.so", "/a/libpprof.so", "/b/other.so");
    unfollow("/b/other.so /a/libpprof.so /c/third.so", "/a/libpprof.so", "/b/other.so /c/third.so");
    unfollow("libpprof.so", "/usr/lib/libpprof.so", NULL);
    unfollow("/a/$LIB/libpprof.so:x.so", "/a/lib/libpprof.so", "x.so");
    unfollow(" :libpprof.so: ", "/usr/lib/libpprof.so", NULL);
    unfollow("/a/libpprof.so.bak:/a/notlibpprof.so", "/a/libpprof.so", "/a/libpprof.so.bak:/a/notlibpprof.so");
    unfollow("/a/libpprof.so:/a/libpprof.so:y.so", "/a/libpprof.so", "y.so");
    config_unfollow(NULL, "/a/libpprof.so");
    char only[] = "B=2";
    char *none[] = {only, NULL};
    config_unfollow(none, "/a/libpprof.so");
    assert_string_equal(none[0], "B=2");
}

static int make_log(void **state)
{
    (void)state;
    int fd = mkstemp(log_path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_log(void **state)
{
    (void)state;
    return unlink(log_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_said), cmocka_unit_test(test_switches),
        cmocka_unit_test(test_paths),        cmocka_unit_test(test_service_and_labels),
        cmocka_unit_test(test_preview),      cmocka_unit_test(test_labels_without_secrets),
        cmocka_unit_test(test_hash_key),     cmocka_unit_test(test_values_are_copied),
        cmocka_unit_test(test_too_long),     cmocka_unit_test(test_said_once),
        cmocka_unit_test(test_unfollow),
    };
    return cmocka_run_group_tests(tests, make_log, remove_log);
}
