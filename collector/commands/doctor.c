/*
 * pprofctl doctor: what libpprof.so will and will not see of a program, and why, before any run;
 * where its calls would go. Reads files, and knocks at the collector's socket.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/display_safe.h"
#include "../program/files_named.h"
#include "../program/program.h"
#include "../query/loss.h"
#include "command.h"
#include "open_store.h"
#include "waits.h"

/* Interpreters and the extensions by which their programs reach libcurl later. `program`: the start
 * of the binary's name. */
struct extension {
    const char *program;
    const char *name;
    const char *pattern[4]; /* of its shared object (or its directory, for packages that load libcurl by name) */
};
static const struct extension extensions[] = {
    {"php", "PHP's curl extension", {"/usr/lib/php/2*/curl.so", "/usr/local/lib/php/extensions/*/curl.so"}},
    {"python",
     "pycurl",
     {"/usr/lib/python3/dist-packages/pycurl*.so", "/usr/local/lib/python3*/*-packages/pycurl*.so",
      "@/lib/python3*/site-packages/pycurl*.so"}},
    {"ruby",
     "ethon (typhoeus)",
     {"/usr/share/rubygems-integration/*/gems/ethon-*", "/var/lib/gems/*/gems/ethon-*",
      "/usr/local/lib/ruby/gems/*/gems/ethon-*", "@/lib/ruby/gems/*/gems/ethon-*"}},
    {"ruby", "curb", {"/usr/lib/*/ruby/vendor_ruby/*/curb_core.so", "/var/lib/gems/*/gems/curb-*/lib/curb_core.so"}},
    {"R",
     "the R package curl",
     {"/usr/lib/R/site-library/curl/libs/curl.so", "/usr/local/lib/R/site-library/curl/libs/curl.so"}},
    {"R",
     "the R package RCurl",
     {"/usr/lib/R/site-library/RCurl/libs/RCurl.so", "/usr/local/lib/R/site-library/RCurl/libs/RCurl.so"}},
    {"R", "R's own url() and download.file()", {"/usr/lib/R/modules/internet.so"}},
    {"perl",
     "WWW::Curl",
     {"/usr/lib/*/perl5/*/auto/WWW/Curl/Curl.so", "/usr/local/lib/*/perl/*/auto/WWW/Curl/Curl.so"}},
    {"perl",
     "Net::Curl",
     {"/usr/lib/*/perl5/*/auto/Net/Curl/Curl.so", "/usr/local/lib/*/perl/*/auto/Net/Curl/Curl.so"}},
    {"lua", "Lua-cURL", {"/usr/lib/*/lua/5.*/lcurl.so", "/usr/lib/*/lua/5.*/cURL.so", "/usr/lib/*/lua/5.*/curl.so"}},
};

/* What else these interpreters use to reach a model, and is not seen. */
static const struct {
    const char *program;
    const char *sentence;
} blind_spots[] = {
    {"python", "requests, httpx, urllib and the openai package: they do not use libcurl"},
    {"node", "fetch, undici and the openai package: node has its own HTTP and TLS inside"},
    {"ruby", "Net::HTTP and what is built on it: it does not use libcurl"},
    {"perl", "LWP and HTTP::Tiny: they do not use libcurl"},
    {"php", "file_get_contents(\"https://...\"): PHP streams do not use libcurl"},
    {"java", "Java's HTTP clients: they do not use libcurl"},
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* "python3.11" is "python"; "R" is "R" and "Rscript", whose binary becomes R. */
static bool is_program(const char *path, const char *name)
{
    const char *base = base_name(path);
    size_t bytes = strlen(name);
    if (strncmp(base, name, bytes) != 0)
        return false;
    const char *rest = base + bytes;
    return strspn(rest, "0123456789.-") == strlen(rest) || (strcmp(name, "R") == 0 && strcmp(rest, "script") == 0) ||
           (strcmp(name, "php") == 0 && strncmp(rest, "-fpm", 4) == 0);
}

static void say(bool seen, const char *sentence)
{
    printf("  %-9s %s\n", seen ? "seen" : "not seen", display_name(sentence));
}

static const char *flavour(const char *library)
{
    return strstr(library, "gnutls") != NULL ? "GnuTLS" : strstr(library, "nss") != NULL ? "NSS" : "OpenSSL";
}

/* Then nothing that was not found may be said to be missing. */
static bool memory_ran_out;

static bool take_last(const char *path, void *out)
{
    (void)snprintf(out, PATH_MAX, "%s", path);
    return false;
}

/* The last file that the pattern names; '@' at its start is the directory above the program's. */
static bool find_first(const char *pattern, const char *binary, char out[PATH_MAX])
{
    char expanded[PATH_MAX];
    const char *base = base_name(binary);
    int above = 0;
    if (pattern[0] == '@') {
        char directory[PATH_MAX];
        (void)snprintf(directory, sizeof(directory), "%.*s", (int)(base - binary), binary);
        size_t bytes = strlen(directory);
        if (bytes < 5 || strcmp(directory + bytes - 5, "/bin/") != 0)
            return false;
        above = (int)bytes - 5;
        pattern++;
    }
    int written = snprintf(expanded, sizeof(expanded), "%.*s%s", above, binary, pattern);
    if (written < 0 || (size_t)written >= sizeof(expanded))
        return false;
    out[0] = '\0';
    memory_ran_out |= files_named(expanded, take_last, out) < 0;
    return out[0] != '\0';
}

static void collect(struct libraries *libraries, const char *path)
{
    memory_ran_out |= libraries_collect(libraries, path) < 0;
}

static bool report_extension(const struct extension *extension, const char *binary)
{
    char path[PATH_MAX], sentence[PATH_MAX + 256];
    for (size_t i = 0; i < sizeof(extension->pattern) / sizeof(extension->pattern[0]); i++) {
        if (extension->pattern[i] == NULL || !find_first(extension->pattern[i], binary, path))
            continue;
        struct libraries libraries;
        collect(&libraries, path);
        const char *library = libraries_find(&libraries, "libcurl");
        if (library != NULL)
            (void)snprintf(sentence, sizeof(sentence), "%s, when the program loads it: %s (%s)", extension->name,
                           base_name(library), flavour(library));
        else
            (void)snprintf(sentence, sizeof(sentence), "%s, when the program loads it: libcurl by name",
                           extension->name);
        say(true, sentence);
        libraries_done(&libraries);
        return true;
    }
    return false;
}

/* Interpreters: what their extensions will load. Returns whether the program is one that has
 * any. */
static bool report_interpreter(const char *binary, bool *ret_seen)
{
    bool known = false;
    for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
        if (!is_program(binary, extensions[i].program))
            continue;
        known = true;
        if (report_extension(&extensions[i], binary)) {
            *ret_seen = true;
            continue;
        }
        char sentence[128];
        (void)snprintf(sentence, sizeof(sentence), "%s: not installed here", extensions[i].name);
        say(false, sentence);
    }
    for (size_t i = 0; i < sizeof(blind_spots) / sizeof(blind_spots[0]); i++)
        if (is_program(binary, blind_spots[i].program)) {
            known = true;
            say(false, blind_spots[i].sentence);
        }
    return known;
}

/* libcurl and the TLS libraries that the program itself names. */
static void report_libraries(const struct program *program, const struct elf_facts *facts, bool *ret_seen)
{
    char sentence[PATH_MAX + 128];
    struct libraries libraries;
    collect(&libraries, program->binary);
    const char *curl = libraries_find(&libraries, "libcurl");
    const char *openssl = libraries_find(&libraries, "libssl.so");
    const char *gnutls = libraries_find(&libraries, "libgnutls.so");
    if (curl != NULL) {
        (void)snprintf(sentence, sizeof(sentence), "its calls through libcurl: linked with %s (%s)", curl,
                       flavour(curl));
        say(true, sentence);
        *ret_seen = true;
    } else if (facts->static_curl) {
        say(false, "its libcurl: it is part of the program's file, where no other library can take its place");
    } else if (facts->mentions_curl) {
        say(true, "its calls through libcurl: it names libcurl.so and probably loads it later");
        *ret_seen = true;
    }
    if (curl == NULL && (openssl != NULL || gnutls != NULL)) {
        const char *tls = openssl != NULL ? openssl : gnutls;
        (void)snprintf(sentence, sizeof(sentence), "what it sends over TLS by itself: %s without libcurl", tls);
        say(false, sentence);
    }
    if (facts->go)
        say(false, "its net/http: Go has its own HTTP and TLS");
    libraries_done(&libraries);
}

static bool is_launcher(const char *binary)
{
    static const char *const launchers[] = {"sh",   "bash",  "dash", "zsh",   "env",     "make", "timeout", "nice",
                                            "time", "xargs", "sudo", "nohup", "busybox", "ksh",  "cron"};
    for (size_t i = 0; i < sizeof(launchers) / sizeof(launchers[0]); i++)
        if (strcmp(base_name(binary), launchers[i]) == 0)
            return true;
    return false;
}

static void print_what(const struct program *program)
{
    for (size_t i = 0; i < program->n_scripts; i++)
        printf("%s: a script\n", display_name(program->script[i]));
    printf("%s: %s\n", display_name(program->binary),
           program->verdict == PROGRAM_LOADABLE ? "a program that libpprof.so can be loaded into"
                                                : display_name(program->why));
}

/* Looks at a program that can be preloaded. Returns whether something will be seen. */
static bool report_loadable(const struct program *program)
{
    struct elf_facts facts;
    bool seen = false;
    char target[PATH_MAX];
    const char *binary = realpath(program->binary, target) != NULL ? target : program->binary;
    if (elf_read(&facts, program->binary) < 0) {
        memory_ran_out |= errno == ENOMEM;
        say(false, "its file cannot be read, so nothing more can be said");
        return false;
    }
    report_libraries(program, &facts, &seen);
    bool known = report_interpreter(binary, &seen);
    if (is_launcher(binary)) {
        say(true, "the programs that it starts; ask `pprofctl doctor` about each of them");
        seen = true;
    } else if (!seen && !known && !facts.static_curl) {
        say(false, "any call: it neither links libcurl nor names it");
    }
    elf_done(&facts);
    return seen;
}

/* What the store that report reads by default says of loss, and what waits for it; where all is
 * well nothing, unless that is asked for. False when it cannot be read. */
static bool print_store(bool always)
{
    const struct arguments none = {0};
    char buffer[PATH_MAX], sentence[LOSS_SENTENCE_BYTES];
    const char *path = store_operand(&none, buffer, sizeof(buffer));
    struct runs_left left;
    struct waiting waiting;
    struct loss loss = {0};
    struct store *store = access(path, F_OK) == 0 ? open_store(path, STORE_READ) : NULL;
    runs_look(path, &left);
    if (store == NULL) {
        bool missing = access(path, F_OK) != 0;
        if (missing && always)
            printf("There is no store yet; `pprofctl record -- CMD` or pprofd makes one.\n");
        if (missing)
            waits_print_runs(stdout, path, &left);
        return missing;
    }
    int status = waits_add(&loss, &waiting, &left, store, path);
    if (status == STORE_OK)
        status = loss_of_store(&loss, store);
    if (status != STORE_OK)
        complain_store(path, status);
    else if (loss_sentence(sentence, &loss, " since the store began") != LOSS_NONE || always)
        printf("%s: %s\n", display_name(path), sentence);
    waits_print_orphans(stdout, path, loss.known.events[STORE_LOSS_log_orphaned]);
    waits_print_runs(stdout, path, &left);
    store_close(store);
    return status == STORE_OK;
}

/* Without a program: where calls of any would go, what waits, and what is known to be lost. */
static int report_surroundings(void)
{
    waits_print_way(stdout);
    waits_print_journals(stdout);
    return print_store(true) ? 0 : 1;
}

int command_doctor(const struct arguments *arguments)
{
    static struct program program;
    if (arguments->n_operands == 0)
        return report_surroundings();
    program_inspect(&program, arguments->operand[0]);
    if (program.verdict == PROGRAM_NOT_FOUND || program.verdict == PROGRAM_NOT_EXECUTABLE) {
        complain("%s: %s.", arguments->operand[0], program.why);
        return program.verdict == PROGRAM_NOT_FOUND ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    }
    print_what(&program);
    bool seen = program.verdict == PROGRAM_LOADABLE && report_loadable(&program);
    if (program.verdict != PROGRAM_LOADABLE)
        say(false, "any call of this program; the programs that it starts may still be seen");
    if (memory_ran_out) {
        complain("memory ran out; what can be seen of %s is not known.", display_name(program.binary));
        return 1;
    }
    printf("%s\n", seen ? "Calls of language models over what is marked as seen will be recorded."
                        : "Nothing of it will be recorded.");
    if (seen)
        waits_print_way(stdout);
    (void)print_store(false);
    return seen ? 0 : 1;
}
