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
    static const char *const names[] = {"plain", "env", "gone", "empty", "loop",
                                        "data",  "elf", "curl", "cut",   "damaged"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        (void)unlink(path);
    }
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_this_program), cmocka_unit_test(test_scripts),     cmocka_unit_test(test_missing),
        cmocka_unit_test(test_kinds),        cmocka_unit_test(test_curl_inside), cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
