/* shim/loader/elf_lookup.c: against dlsym on real objects, and on tables made by hand for what real ones rarely have. */
#include "shim/loader/elf_lookup.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* One object of our own making: symbols, strings, versions and hash tables in memory, with base 0. */
enum { SYMBOLS = 5 };
struct made {
    ElfW(Sym) symbols[SYMBOLS];
    ElfW(Half) versions[SYMBOLS];
    char strings[64];
    size_t strings_used;
    _Alignas(ElfW(Addr)) uint32_t gnu[4 + 2 + 4 + SYMBOLS];
    uint32_t sysv[2 + 1 + SYMBOLS];
    ElfW(Dyn) dynamic[6];
    struct elf_object object;
};

static void add_dynamic(struct made *made, size_t *n, ElfW(Sxword) tag, const void *value)
{
    made->dynamic[(*n)++] = (ElfW(Dyn)){.d_tag = tag, .d_un.d_ptr = (ElfW(Addr))value};
}

/* A symbol of this name, which goes to the end of the strings. */
static ElfW(Sym)
    symbol(struct made *made, const char *name, unsigned bind, unsigned type, unsigned visibility, unsigned value)
{
    size_t at = made->strings_used + 1; /* after a NUL */
    memcpy(made->strings + at, name, strlen(name) + 1);
    made->strings_used = at + strlen(name);
    return (ElfW(Sym)){.st_name = (ElfW(Word))at,
                       .st_info = (unsigned char)(bind << 4U | type),
                       .st_other = (unsigned char)visibility,
                       .st_shndx = 1,
                       .st_value = value,
                       .st_size = 8};
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t hash = 5381;
    for (; *name != '\0'; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

/* All names go into the last of four buckets, the other three are empty; the bloom filter lets everything through. */
static void make(struct made *made, bool with_gnu, unsigned chain_from)
{
    uint32_t words[] = {4, chain_from, 1, 5, UINT32_MAX, UINT32_MAX, 0, 0, 0, 0};
    for (uint32_t bucket = 0; bucket < 4; bucket++)
        words[6 + bucket] = bucket == gnu_hash("here") % 4 ? chain_from : 0;
    memcpy(made->gnu, words, sizeof words);
    for (unsigned i = chain_from; i < SYMBOLS; i++) {
        uint32_t hash = gnu_hash(made->strings + made->symbols[i].st_name) & ~1U;
        made->gnu[10 + i - chain_from] = hash | (i == SYMBOLS - 1 ? 1U : 0U);
        made->sysv[3 + i] = i + 1 < SYMBOLS ? i + 1 : 0;
    }
    made->sysv[0] = 1;
    made->sysv[1] = SYMBOLS;
    made->sysv[2] = 1;
    size_t n = 0;
    add_dynamic(made, &n, DT_SYMTAB, made->symbols);
    add_dynamic(made, &n, DT_STRTAB, made->strings);
    add_dynamic(made, &n, DT_VERSYM, made->versions);
    if (with_gnu)
        add_dynamic(made, &n, DT_GNU_HASH, made->gnu);
    else
        add_dynamic(made, &n, DT_HASH, made->sysv);
    add_dynamic(made, &n, DT_NULL, NULL);
    made->object = (struct elf_object){.dynamic = made->dynamic, .name = "made"};
}

static void test_made_tables(void **state)
{
    (void)state;
    for (int with_gnu = 0; with_gnu < 2; with_gnu++) {
        struct made made = {.strings = ""};
        made.symbols[1] = symbol(&made, "here", STB_GLOBAL, STT_FUNC, STV_DEFAULT, 0x1000);
        made.versions[1] = 0x8002; /* an old version, not the default */
        made.symbols[2] = symbol(&made, "here", STB_WEAK, STT_FUNC, STV_DEFAULT, 0x2000);
        made.versions[2] = 3;
        made.symbols[3] = symbol(&made, "hidden", STB_GLOBAL, STT_FUNC, STV_HIDDEN, 0x3000);
        made.symbols[4] = symbol(&made, "old", STB_GLOBAL, STT_FUNC, STV_DEFAULT, 0x4000);
        made.versions[4] = 0x8002;
        make(&made, with_gnu != 0, 1);
        assert_ptr_equal(elf_symbol(&made.object, "here"), (void *)0x2000);
        if (with_gnu == 0 || gnu_hash("old") % 4 == gnu_hash("here") % 4)
            assert_ptr_equal(elf_symbol(&made.object, "old"), (void *)0x4000); /* the only version it has */
        assert_null(elf_symbol(&made.object, "hidden"));
        assert_null(elf_symbol(&made.object, "absent"));
        assert_null(elf_symbol(&made.object, ""));
    }
}

static void test_types_that_do_not_count(void **state)
{
    (void)state;
    const struct {
        unsigned bind, type;
        bool found;
    } cases[] = {{STB_GLOBAL, STT_FUNC, true}, {STB_GLOBAL, STT_OBJECT, true},     {STB_LOCAL, STT_FUNC, false},
                 {STB_GLOBAL, STT_TLS, false}, {STB_GLOBAL, STT_GNU_IFUNC, false}, {STB_GNU_UNIQUE, STT_OBJECT, true},
                 {STB_WEAK, STT_NOTYPE, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct made made = {.strings = ""};
        made.symbols[1] = symbol(&made, "here", cases[i].bind, cases[i].type, STV_DEFAULT, 0x1000);
        make(&made, false, 1);
        assert_int_equal(elf_symbol(&made.object, "here") != NULL, cases[i].found);
        made.symbols[1].st_shndx = SHN_UNDEF;
        assert_null(elf_symbol(&made.object, "here"));
    }
}

static void test_empty_buckets_and_tables(void **state)
{
    (void)state;
    struct made made = {.strings = ""};
    made.symbols[4] = symbol(&made, "here", STB_GLOBAL, STT_FUNC, STV_DEFAULT, 0x1000);
    make(&made, true, 4); /* the symbols before the fourth are in no chain */
    assert_ptr_equal(elf_symbol(&made.object, "here"), (void *)0x1000);
    char name[3] = "a";
    for (char c = 'a'; c <= 'z'; c++) {
        name[0] = c;
        assert_null(elf_symbol(&made.object, name));
    }
    made.gnu[4] = made.gnu[5] = 0; /* the bloom filter says no */
    assert_null(elf_symbol(&made.object, "here"));
    made.gnu[4] = made.gnu[5] = UINT32_MAX;
    made.gnu[0] = 0; /* no buckets: must not divide by it */
    assert_null(elf_symbol(&made.object, "here"));
    made.gnu[0] = 4;
    made.gnu[2] = 0;
    assert_null(elf_symbol(&made.object, "here"));
    make(&made, false, 4);
    made.sysv[0] = 0;
    assert_null(elf_symbol(&made.object, "here"));
    struct elf_object none = {.dynamic = NULL, .name = ""};
    assert_null(elf_symbol(&none, "here"));
}

/* Every function of the object, as nm lists them, has the address that dlsym gives. */
static void compare_with_dlsym(const char *file, const char *known, size_t at_least)
{
    void *handle = dlopen(file, RTLD_NOW);
    assert_non_null(handle);
    void *inside = dlsym(handle, known);
    struct elf_object object;
    assert_true(elf_object_at(&object, inside));
    assert_true((uintptr_t)inside >= object.begin && (uintptr_t)inside < object.end);
    const ElfW(Sym) *symbols = elf_dynamic_pointer(&object, DT_SYMTAB);
    const char *strings = elf_dynamic_pointer(&object, DT_STRTAB);
    size_t symbols_n = ((uintptr_t)strings - (uintptr_t)symbols) / sizeof *symbols; /* the strings follow the symbols */
    size_t compared = 0;
    for (size_t i = 1; i < symbols_n; i++) {
        if ((symbols[i].st_info & 0xf) != STT_FUNC || symbols[i].st_shndx == SHN_UNDEF)
            continue;
        const char *name = strings + symbols[i].st_name;
        void *wanted = dlsym(handle, name);
        struct elf_object where;
        if (wanted == NULL || !elf_object_at(&where, wanted) || where.base != object.base)
            continue; /* versions that dlsym does not answer with, and what a sanitizer has put in front */
        if (elf_symbol(&object, name) == NULL)
            continue; /* the default version is an indirect function; this one is an older */
        if (elf_symbol(&object, name) != wanted)
            fail_msg("%s: %p, but dlsym says %p", name, elf_symbol(&object, name), wanted);
        compared++;
    }
    assert_true(compared >= at_least);
    (void)dlclose(handle);
}

static void test_real_objects(void **state)
{
    (void)state;
    compare_with_dlsym("libcurl.so.4", "curl_version", 80);
    compare_with_dlsym("libc.so.6", "gnu_get_libc_version", 1500);
}

static void test_addresses(void **state)
{
    (void)state;
    struct elf_object object;
    int on_the_stack = 0;
    assert_true(elf_object_at(&object, (const void *)(uintptr_t)&test_addresses));
    assert_string_equal(object.name, "");
    assert_false(elf_object_at(&object, &on_the_stack));
    assert_false(elf_object_at(&object, NULL));
    void *heap = malloc(16);
    assert_false(elf_object_at(&object, heap));
    free(heap);
}

static bool count_and_find(const struct elf_object *object, void *context)
{
    struct elf_object *libc = context;
    if (strstr(object->name, "/libc.so.6") == NULL)
        return false;
    *libc = *object;
    return true;
}

static bool never(const struct elf_object *object, void *context)
{
    (void)object;
    ++*(unsigned *)context;
    return false;
}

static void test_early_walk(void **state)
{
    (void)state;
    struct elf_object libc = {.dynamic = NULL};
    unsigned objects = 0;
    assert_true(elf_walk_early(count_and_find, &libc));
    assert_non_null(libc.dynamic);
    assert_non_null(elf_symbol(&libc, "gnu_get_libc_version"));
    assert_ptr_equal(elf_symbol(&libc, "gnu_get_libc_version"), dlsym(RTLD_DEFAULT, "gnu_get_libc_version"));
    assert_false(elf_walk_early(never, &objects));
    assert_true(objects >= 3); /* the program, libc, the loader */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_tables),
        cmocka_unit_test(test_types_that_do_not_count),
        cmocka_unit_test(test_empty_buckets_and_tables),
        cmocka_unit_test(test_real_objects),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_early_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
