/* Judging programs from their files, some of them damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../../collector/program/program.h"

static char directory[] = "/tmp/pprof-test-program-XXXXXX";
static struct program program;

static const char *write_file(const char *name, const void *data, size_t bytes, mode_t mode)
{
    static char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0700);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, bytes), (ssize_t)bytes);
    assert_int_equal(fchmod(fd, mode), 0);
    (void)close(fd);
    return path;
}

static const char *write_script(const char *name, const char *text)
{
    return write_file(name, text, strlen(text), 0755);
}

static void test_this_program(void **state)
{
    (void)state;
    struct elf_facts facts;
    assert_int_equal(elf_read(&facts, "/proc/self/exe"), 0);
    assert_int_equal(facts.kind, PROGRAM_NATIVE);
    assert_true(facts.dynamic);
    assert_false(facts.musl);
    bool libc = false;
    for (size_t i = 0; i < facts.n_needed; i++)
        libc = libc || strcmp(facts.needed[i], "libc.so.6") == 0;
    assert_true(libc);
    elf_done(&facts);
}

static void test_scripts(void **state)
{
    (void)state;
    program_inspect(&program, write_script("plain", "#!/bin/sh\nexit 0\n"));
    assert_int_equal(program.verdict, PROGRAM_LOADABLE);
    assert_int_equal(program.n_scripts, 1);
    assert_string_equal(program.binary, "/bin/sh");
    program_inspect(&program, write_script("env", "#!/usr/bin/env -S A=1 sh -x\n"));
    assert_int_equal(program.verdict, PROGRAM_LOADABLE);
    assert_string_equal(strrchr(program.binary, '/'), "/sh");
    program_inspect(&program, write_script("gone", "#! /no/such/interpreter\n"));
    assert_int_equal(program.verdict, PROGRAM_NOT_FOUND);
    assert_non_null(strstr(program.why, "/no/such/interpreter"));
    program_inspect(&program, write_script("empty", "#!\n"));
    assert_int_equal(program.verdict, PROGRAM_LOADABLE); /* the shell will take it */
    char loop[PATH_MAX];
    (void)snprintf(loop, sizeof(loop), "#!%s/loop\n", directory);
    program_inspect(&program, write_script("loop", loop));
    assert_int_equal(program.n_scripts, PROGRAM_SCRIPTS_MAX);
}

static void test_missing(void **state)
{
    (void)state;
    program_inspect(&program, "pprof-no-such-command");
    assert_int_equal(program.verdict, PROGRAM_NOT_FOUND);
    program_inspect(&program, "/no/such/file");
    assert_int_equal(program.verdict, PROGRAM_NOT_FOUND);
    program_inspect(&program, "");
    assert_int_equal(program.verdict, PROGRAM_NOT_FOUND);
    program_inspect(&program, directory);
    assert_int_equal(program.verdict, PROGRAM_NOT_EXECUTABLE);
    program_inspect(&program, write_file("data", "x", 1, 0644));
    assert_int_equal(program.verdict, PROGRAM_NOT_EXECUTABLE);
}

/* A small ELF file: header, program headers, and room for more. */
struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segment[2];
    char loader[32];
    char rest[64];
};

static struct image make_image(const char *loader)
{
    struct image image = {0};
    memcpy(image.header.e_ident, ELFMAG, SELFMAG);
    image.header.e_ident[EI_CLASS] = ELFCLASS64;
    image.header.e_ident[EI_DATA] = ELFDATA2LSB;
#if defined(__x86_64__)
    image.header.e_machine = EM_X86_64;
#else
    image.header.e_machine = EM_AARCH64;
#endif
    image.header.e_type = ET_DYN;
    image.header.e_phoff = offsetof(struct image, segment);
    image.header.e_phentsize = sizeof(Elf64_Phdr);
    image.header.e_phnum = 2;
    image.segment[0].p_type = PT_LOAD;
    image.segment[0].p_filesz = sizeof(image);
    if (loader != NULL) {
        image.segment[1].p_type = PT_INTERP;
        image.segment[1].p_offset = offsetof(struct image, loader);
        (void)snprintf(image.loader, sizeof(image.loader), "%s", loader);
    }
    return image;
}

static enum program_verdict judge(const struct image *image)
{
    program_inspect(&program, write_file("elf", image, sizeof(*image), 0755));
    return program.verdict;
}

static void test_kinds(void **state)
{
    (void)state;
    struct image image = make_image("/lib64/ld-linux-x86-64.so.2");
    assert_int_equal(judge(&image), PROGRAM_LOADABLE);
    image = make_image("/lib/ld-musl-x86_64.so.1");
    assert_int_equal(judge(&image), PROGRAM_MUSL);
    image = make_image(NULL);
    assert_int_equal(judge(&image), PROGRAM_STATIC);
    assert_non_null(strstr(program.why, "static-pie"));
    memcpy(image.rest, "\xff Go buildinf:", 14);
    assert_int_equal(judge(&image), PROGRAM_STATIC);
    assert_non_null(strstr(program.why, "Go"));
    image = make_image(NULL);
    image.header.e_ident[EI_CLASS] = ELFCLASS32;
    assert_int_equal(judge(&image), PROGRAM_32_BIT);
    image = make_image(NULL);
    image.header.e_machine = EM_S390;
    assert_int_equal(judge(&image), PROGRAM_FOREIGN);
}

static void test_curl_inside(void **state)
{
    (void)state;
    struct elf_facts facts;
    struct image image = make_image("/lib64/ld-linux-x86-64.so.2");
    memcpy(image.rest + 40, "libcurl/ libcurl/8.1", 21);
    assert_int_equal(elf_read(&facts, write_file("curl", &image, sizeof(image), 0755)), 0);
    assert_true(facts.static_curl);
    elf_done(&facts);
    memcpy(image.rest + 40, "libcurl/x libcurl/", 19); /* ends with the file's last bytes */
    assert_int_equal(elf_read(&facts, write_file("curl", &image, sizeof(image), 0755)), 0);
    assert_false(facts.static_curl);
    elf_done(&facts);
}

/* An ELF file with a dynamic section: names that it needs and where it looks for them. */
struct linked {
    Elf64_Ehdr header;
    Elf64_Phdr segment[4];
    Elf64_Dyn dynamic[12];
    char strings[512];
};

static size_t add_string(struct linked *linked, size_t *used, const char *text)
{
    const size_t at = *used;
    memcpy(linked->strings + at, text, strlen(text) + 1);
    *used += strlen(text) + 1;
    return at;
}

enum { FILE_AT = 0x400000, DATA_AT = 0x700000 }; /* where it is loaded: the strings apart from the rest */

/* Writes `directory/name`, which needs the names (up to a NULL). */
static const char *write_linked(const char *name, Elf64_Sxword how, const char *runpath, const char *const *needed)
{
    struct linked linked = {.header = make_image(NULL).header};
    size_t used = 1, n = 0;
    linked.header.e_phoff = offsetof(struct linked, segment);
    linked.header.e_phnum = 3;
    linked.segment[0] =
        (Elf64_Phdr){.p_type = PT_LOAD, .p_vaddr = FILE_AT, .p_filesz = offsetof(struct linked, strings)};
    linked.segment[1] = (Elf64_Phdr){.p_type = PT_LOAD,
                                     .p_vaddr = DATA_AT,
                                     .p_offset = offsetof(struct linked, strings),
                                     .p_filesz = sizeof(linked.strings)};
    linked.segment[2] = (Elf64_Phdr){
        .p_type = PT_DYNAMIC, .p_offset = offsetof(struct linked, dynamic), .p_filesz = sizeof(linked.dynamic)};
    for (; *needed != NULL; needed++)
        linked.dynamic[n++] = (Elf64_Dyn){DT_NEEDED, {add_string(&linked, &used, *needed)}};
    linked.dynamic[n++] = (Elf64_Dyn){DT_STRTAB, {DATA_AT}};
    if (runpath != NULL)
        linked.dynamic[n++] = (Elf64_Dyn){how, {add_string(&linked, &used, runpath)}};
    linked.dynamic[n + 1] = (Elf64_Dyn){DT_NEEDED, {add_string(&linked, &used, "libc.so.6")}}; /* after the end */
    /* What the headers do not count. */
    linked.segment[3] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = offsetof(struct linked, strings)};
    return write_file(name, &linked, sizeof(linked), 0755);
}

static bool has_needed(const struct elf_facts *facts, const char *const *names)
{
    size_t n = 0;
    for (; names[n] != NULL; n++)
        if (n >= facts->n_needed || strcmp(names[n], facts->needed[n]) != 0)
            return false;
    return n == facts->n_needed;
}

static void test_what_a_file_needs(void **state)
{
    static const char *const two[] = {"libone.so.1", "libtwo.so.2", NULL}, *const none[] = {NULL};
    struct elf_facts facts;
    (void)state;
    for (int rpath = 0; rpath < 2; rpath++) {
        assert_int_equal(elf_read(&facts, write_linked("linked", rpath ? DT_RPATH : DT_RUNPATH, "/x:$ORIGIN", two)), 0);
        assert_true(has_needed(&facts, two));
        assert_string_equal(facts.runpath, "/x:$ORIGIN");
        assert_true(facts.pie && !facts.dynamic && !facts.musl && !facts.go && !facts.mentions_curl);
        elf_done(&facts);
    }
    assert_int_equal(elf_read(&facts, write_linked("linked", DT_SONAME, "libself.so", none)), 0);
    assert_true(has_needed(&facts, none));
    assert_string_equal(facts.runpath, "");
    elf_done(&facts);
    static const char *const curl[] = {"libcurl.so.4", NULL}, *const gnutls[] = {"libcurl-gnutls.so.4", NULL},
                             *const almost[] = {"libcurl.s", "libcurl-gnutls", NULL};
    assert_int_equal(elf_read(&facts, write_linked("linked", DT_RUNPATH, NULL, curl)), 0);
    assert_true(facts.mentions_curl);
    elf_done(&facts);
    assert_int_equal(elf_read(&facts, write_linked("linked", DT_RUNPATH, NULL, gnutls)), 0);
    assert_true(facts.mentions_curl);
    elf_done(&facts);
    assert_int_equal(elf_read(&facts, write_linked("linked", DT_RUNPATH, NULL, almost)), 0);
    assert_true(has_needed(&facts, almost));
    assert_false(facts.mentions_curl);
    elf_done(&facts);
}

/* Numbers in a file that point out of it, or to its very end. */
static void test_needs_out_of_the_file(void **state)
{
    static const char *const two[] = {"libone.so.1", "libtwo.so.2", NULL};
    struct linked linked;
    struct elf_facts facts;
    (void)state;
    const int fd = open(write_linked("linked", DT_RUNPATH, NULL, two), O_RDONLY);
    assert_int_equal(read(fd, &linked, sizeof(linked)), sizeof(linked));
    (void)close(fd);
    const struct linked good = linked;
    const char *const second[] = {"libtwo.so.2", NULL}, *const none[] = {NULL};
#define READS(names)                                                                                                   \
    do {                                                                                                               \
        assert_int_equal(elf_read(&facts, write_file("linked", &linked, sizeof(linked), 0755)), 0);                    \
        assert_true(has_needed(&facts, names));                                                                        \
        elf_done(&facts);                                                                                              \
        linked = good;                                                                                                 \
    } while (0)
    READS(two);
    linked.dynamic[0].d_un.d_val = sizeof(linked.strings); /* the first byte after the file */
    READS(second);
    linked.dynamic[0].d_un.d_val = sizeof(linked.strings) - 1; /* its last one is a text of no bytes */
    READS(((const char *const[]){"", "libtwo.so.2", NULL}));
    memset(linked.strings + sizeof(linked.strings) - 4, 'x', 4); /* a text without an end */
    linked.dynamic[0].d_un.d_val = sizeof(linked.strings) - 4;
    READS(second);
    linked.dynamic[0].d_un.d_val = UINT64_MAX - offsetof(struct linked, strings) + 2;
    READS(second);
    linked.dynamic[2].d_un.d_ptr = DATA_AT + sizeof(linked.strings); /* strings that lie in no segment */
    READS(none);
    linked.dynamic[2].d_un.d_ptr = DATA_AT - 1;
    READS(none);
    linked.segment[2].p_filesz = sizeof(Elf64_Dyn) - 1; /* a dynamic section of less than an entry */
    READS(none);
    linked.segment[2].p_offset = sizeof(linked);
    READS(none);
    linked.header.e_phnum = 2; /* none is counted */
    READS(none);
    linked.header.e_phentsize--;
    READS(none);
#undef READS
}

/* From our directory, however its name is put together. */
static bool collected(const struct libraries *libraries, const char *name)
{
    const char *const found = libraries_find(libraries, name);
    return found != NULL && strncmp(found, directory, strlen(directory)) == 0 &&
           strcmp(strrchr(found, '/') + 1, name) == 0;
}

/* Libraries of libraries, from where each of them says, once each. */
static void test_libraries(void **state)
{
    static const char *const first[] = {"liba.so", "libgone.so", "liba.so", NULL},
                             *const second[] = {"libb.so", "liba.so", NULL}, *const none[] = {NULL};
    struct libraries libraries;
    char path[PATH_MAX], here[PATH_MAX];
    (void)state;
    (void)write_linked("libthird.so.4", DT_RUNPATH, NULL, none);
    (void)write_linked("libb.so", DT_RUNPATH, NULL, (const char *const[]){"libthird.so.4", NULL});
    (void)write_linked("liba.so", DT_RUNPATH, "${ORIGIN}", second);
    (void)snprintf(here, sizeof(here), "/nowhere::%s", directory);
    const char *const runpaths[] = {"$ORIGIN", "/nowhere:${ORIGIN}/.", here, "$ORIGIN/../nowhere"};
    (void)unsetenv("LD_LIBRARY_PATH");
    for (size_t i = 0; i < sizeof(runpaths) / sizeof(runpaths[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s", write_linked("linked", DT_RUNPATH, runpaths[i], first));
        assert_int_equal(libraries_collect(&libraries, path), 0);
        assert_int_equal(libraries.n, i < 3 ? 2 : 0); /* liba, libb; libb does not say where libthird is */
        if (i < 3)
            assert_true(collected(&libraries, "liba.so") && collected(&libraries, "libb.so"));
        assert_null(libraries_find(&libraries, "libthird"));
        libraries_done(&libraries);
        assert_int_equal(libraries.n, 0);
    }
    assert_int_equal(setenv("LD_LIBRARY_PATH", here, 1), 0);
    (void)snprintf(path, sizeof(path), "%s", write_linked("linked", DT_RUNPATH, NULL, first));
    assert_int_equal(libraries_collect(&libraries, path), 0);
    assert_int_equal(libraries.n, 3);
    assert_true(collected(&libraries, "libthird.so.4"));
    assert_non_null(libraries_find(&libraries, "libthird.so"));
    assert_null(libraries_find(&libraries, "libthird.so.5"));
    libraries_done(&libraries);
    (void)unsetenv("LD_LIBRARY_PATH");
    (void)snprintf(here, sizeof(here), "%s/libthird.so.4", directory); /* a name that is a path */
    (void)snprintf(path, sizeof(path), "%s",
                   write_linked("linked", DT_RUNPATH, NULL, (const char *const[]){here, "/nowhere/libx.so", NULL}));
    assert_int_equal(libraries_collect(&libraries, path), 0);
    assert_int_equal(libraries.n, 1);
    assert_string_equal(libraries.path[0], here);
    libraries_done(&libraries);
    assert_int_equal(libraries_collect(&libraries, "/proc/self/exe"), 0); /* the usual directories */
    assert_non_null(libraries_find(&libraries, "libc.so.6"));
    libraries_done(&libraries);
    assert_int_equal(libraries_collect(&libraries, "/no/such/file"), 0);
    assert_int_equal(libraries.n, 0);
}

/* Every cut and every changed byte of the headers of a real program: no read outside the file (the
 * sanitizer watches).
 */
static void test_damage(void **state)
{
    (void)state;
    struct elf_facts facts;
    static uint8_t real[4096], damaged[4096];
    int fd = open("/proc/self/exe", O_RDONLY);
    assert_int_equal(read(fd, real, sizeof(real)), (ssize_t)sizeof(real));
    (void)close(fd);
    for (size_t bytes = 0; bytes < 1024; bytes += 7) {
        (void)elf_read(&facts, write_file("cut", real, bytes, 0755));
        elf_done(&facts);
    }
    for (size_t at = 16; at < 1000; at++) {
        memcpy(damaged, real, sizeof(real));
        damaged[at] ^= 0xff;
        (void)elf_read(&facts, write_file("damaged", damaged, sizeof(damaged), 0755));
        elf_done(&facts);
    }
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    static const char *const names[] = {"plain", "env", "gone",    "empty",  "loop",    "data",    "elf",
                                        "curl",  "cut", "damaged", "linked", "liba.so", "libb.so", "libthird.so.4"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        (void)unlink(path);
    }
    return rmdir(directory);
}

/* Whose file it is matters where it is to run with its owner's or its group's rights. Root alone
 * can give files away. */
static void test_whose_rights(void **state)
{
    enum { OTHER = 65534 };
    const uid_t me = geteuid(), my = getegid();
    const struct {
        uid_t user;
        gid_t group;
        mode_t mode;
        bool raises;
    } files[] = {
        {me, my, 06755, false},      {me, OTHER, 0755, false},  {OTHER, my, 0755, false},
        {OTHER, my, 04755, true},    {me, OTHER, 02755, true},  {me, OTHER, 04755, false},
        {OTHER, my, 02755, false},   {me, OTHER, 02745, false}, /* to lock it, before Linux 5.15 */
        {OTHER, OTHER, 06755, true},
    };
    static uint8_t self[1 << 26];
    struct statvfs filesystem;
    (void)state;
    if (geteuid() != 0 || statvfs(directory, &filesystem) != 0 || (filesystem.f_flag & ST_NOSUID) != 0)
        skip();
    int fd = open("/proc/self/exe", O_RDONLY);
    const ssize_t bytes = read(fd, self, sizeof(self));
    assert_true(bytes > 0 && (size_t)bytes < sizeof(self));
    (void)close(fd);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const char *const path = write_file("rights", self, (size_t)bytes, 0755);
        assert_int_equal(chown(path, files[i].user, files[i].group), 0);
        assert_int_equal(chmod(path, files[i].mode), 0);
        program_inspect(&program, path);
        assert_int_equal(program.verdict, files[i].raises ? PROGRAM_PRIVILEGED : PROGRAM_LOADABLE);
        (void)unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_this_program),      cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_missing),           cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_curl_inside),       cmocka_unit_test(test_damage),
        cmocka_unit_test(test_what_a_file_needs), cmocka_unit_test(test_needs_out_of_the_file),
        cmocka_unit_test(test_libraries),         cmocka_unit_test(test_whose_rights),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
