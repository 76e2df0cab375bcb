/* shim/loader/elf_lookup.c: against dlsym on real objects, and on tables made by hand for what real
 * ones rarely have. */
#include "shim/loader/elf_lookup.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <cmocka.h>

/* One object of our own making: symbols, strings, versions and hash tables in memory, with base
 * 0. */
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

/* All names go into the last of four buckets, the other three are empty; the bloom filter lets
 * everything through. */
static void make(struct made *made, bool with_gnu, unsigned chain_from)
{
    uint32_t words[] = {4, chain_from, 1, 5, UINT32_MAX, UINT32_MAX, 0, 0, 0, 0};
    for (uint32_t bucket = 0; bucket < 4; bucket++)
        words[6 + bucket] = bucket == gnu_hash("here") % 4 ? chain_from : 0;
    memcpy(made->gnu, words, sizeof(words));
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
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
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
    size_t symbols_n =
        ((uintptr_t)strings - (uintptr_t)symbols) / sizeof(*symbols); /* the strings follow the symbols */
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

/* Of two versions that are not the default the first; beside a variable of a thread nothing of the
 * same name counts. */
static void test_which_of_one_name(void **state)
{
    char old[8] = "old";
    (void)state;
    while (gnu_hash(old) % 4 != gnu_hash("here") % 4)
        old[2]++; /* all names are in one bucket */
    for (int with_gnu = 0; with_gnu < 2; with_gnu++) {
        struct made made = {.strings = ""};
        made.symbols[1] = symbol(&made, old, STB_GLOBAL, STT_FUNC, STV_DEFAULT, 0x1000);
        made.symbols[2] = symbol(&made, old, STB_GLOBAL, STT_FUNC, STV_DEFAULT, 0x2000);
        made.versions[1] = made.versions[2] = 0x8002;
        made.symbols[3] = symbol(&made, "here", STB_GLOBAL, STT_TLS, STV_DEFAULT, 0);
        made.symbols[4] = symbol(&made, "here", STB_GLOBAL, STT_FUNC, STV_DEFAULT, 0x4000);
        make(&made, with_gnu != 0, 1);
        assert_ptr_equal(elf_symbol(&made.object, old), (void *)0x1000);
        assert_null(elf_symbol(&made.object, "here"));
        made.symbols[3].st_info = (unsigned char)(STB_GLOBAL << 4U | STT_FUNC); /* a function at 0 is none */
        assert_ptr_equal(elf_symbol(&made.object, "here"), (void *)0x4000);
        made.symbols[3].st_value = 1;
        assert_ptr_equal(elf_symbol(&made.object, "here"), (void *)1);
    }
}

/* Where the object lies is added to what the tables say, once, and not to what is absolute. */
static void test_base(void **state)
{
    struct made made = {.strings = ""};
    (void)state;
    made.symbols[1] = symbol(&made, "here", STB_GLOBAL, STT_FUNC, STV_DEFAULT, 0x40);
    made.symbols[2] = symbol(&made, "there", STB_GLOBAL, STT_FUNC, STV_DEFAULT, 0x50);
    made.symbols[2].st_shndx = SHN_ABS;
    make(&made, false, 1);
    made.object.base = (ElfW(Addr))made.symbols; /* which the first entry names as it is in memory, glibc's way */
    made.dynamic[1].d_un.d_ptr -= made.object.base;
    assert_ptr_equal(elf_dynamic_pointer(&made.object, DT_SYMTAB), made.symbols);
    assert_ptr_equal(elf_dynamic_pointer(&made.object, DT_STRTAB), made.strings);
    assert_ptr_equal(elf_symbol(&made.object, "here"), (char *)made.symbols + 0x40);
    assert_ptr_equal(elf_symbol(&made.object, "there"), (void *)0x50);
    assert_int_equal(elf_dynamic_value(&made.object, DT_STRTAB), made.dynamic[1].d_un.d_val);
    assert_int_equal(elf_dynamic_value(&made.object, DT_SONAME), 0);
    assert_null(elf_dynamic_pointer(&made.object, DT_SONAME));
    made.dynamic[1].d_un.d_ptr = 0;
    assert_null(elf_dynamic_pointer(&made.object, DT_STRTAB));
    assert_null(elf_symbol(&made.object, "here"));
}

/* As the System V ABI has it. */
static uint32_t sysv_hash(const char *name)
{
    uint32_t hash = 0;
    for (; *name != '\0'; name++) {
        hash = hash * 16 + (unsigned char)*name;
        hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
    }
    return hash;
}

/* Names are found in the bucket and after the filter that their hash says, and nowhere else. */
static void test_hashes(void **state)
{
    static const char *const names[] = {"a", "curl_easy_perform", "curl_multi_socket_action", "\xc3\xa4\xff zz"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct made made = {.strings = ""};
        uint32_t sysv[2 + 1021 + SYMBOLS] = {1021, SYMBOLS};
        made.symbols[1] = symbol(&made, names[i], STB_GLOBAL, STT_FUNC, STV_DEFAULT, 0x1000);
        make(&made, false, 1);
        made.dynamic[3].d_un.d_ptr = (ElfW(Addr))sysv;
        sysv[2 + sysv_hash(names[i]) % 1021] = 1;
        assert_ptr_equal(elf_symbol(&made.object, names[i]), (void *)0x1000);
        sysv[1] = 1; /* the table ends before the symbol */
        assert_null(elf_symbol(&made.object, names[i]));
        memset(sysv + 2, 0, sizeof(sysv) - 2 * sizeof(*sysv));
        sysv[1] = SYMBOLS;
        assert_null(elf_symbol(&made.object, names[i]));
        make(&made, true, 1);
        const uint32_t hash = gnu_hash(names[i]), bits = 8 * sizeof(ElfW(Addr));
        for (unsigned b = 0; b < 4; b++)
            made.gnu[6 + b] = b == hash % 4;
        made.gnu[10] = hash | 1U;
        ElfW(Addr) filter = (ElfW(Addr))1 << hash % bits | (ElfW(Addr))1 << (hash >> 5) % bits;
        memcpy(made.gnu + 4, &filter, sizeof(filter));
        assert_ptr_equal(elf_symbol(&made.object, names[i]), (void *)0x1000);
        filter = (ElfW(Addr))1 << hash % bits;
        memcpy(made.gnu + 4, &filter, sizeof(filter));
        assert_int_equal(elf_symbol(&made.object, names[i]) != NULL, (hash >> 5) % bits == hash % bits);
    }
}

/* What the loader says instead, while set. */
static struct dl_phdr_info *only;
static unsigned long auxiliary[64];
int __wrap_dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *context);
int __real_dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *context);
unsigned long __wrap_getauxval(unsigned long type);
unsigned long __real_getauxval(unsigned long type);

int __wrap_dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *context)
{
    return only != NULL ? callback(only, sizeof(*only), context) : __real_dl_iterate_phdr(callback, context);
}

unsigned long __wrap_getauxval(unsigned long type)
{
    return auxiliary[AT_PHNUM] != 0 ? auxiliary[type] : __real_getauxval(type);
}

/* An object is what its own headers say; the one after the last is somebody else's. */
static void test_headers(void **state)
{
    static const ElfW(Phdr) headers[] = {{.p_type = PT_LOAD, .p_vaddr = 0x3000, .p_memsz = 0x10},
                                         {.p_type = PT_DYNAMIC, .p_vaddr = 0x1200, .p_memsz = 0x100},
                                         {.p_type = PT_LOAD, .p_vaddr = 0x1000, .p_memsz = 0x500},
                                         {.p_type = PT_NOTE, .p_vaddr = 0x9000, .p_memsz = 0x10},
                                         {.p_type = PT_LOAD, .p_vaddr = 0, .p_memsz = 0x9000}};
    struct dl_phdr_info info = {.dlpi_addr = 0x100000, .dlpi_name = "made", .dlpi_phdr = headers, .dlpi_phnum = 4};
    static const struct {
        uintptr_t address;
        bool inside;
    } places[] = {{0x100fff, false}, {0x101000, true},  {0x1014ff, true},  {0x101500, false}, {0x102000, false},
                  {0x103000, true},  {0x10300f, true},  {0x103010, false}, {0x109000, false}, {0x108000, false},
                  {0x100000, false}, {0x001000, false}, {0, false}};
    struct elf_object object = elf_object_from(&info);
    (void)state;
    assert_int_equal(object.base, 0x100000);
    assert_int_equal(object.begin, 0x101000);
    assert_int_equal(object.end, 0x103010);
    assert_ptr_equal(object.dynamic, (void *)0x101200);
    assert_string_equal(object.name, "made");
    only = &info;
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        object = (struct elf_object){.name = NULL};
        assert_int_equal(elf_object_at(&object, (const void *)places[i].address), places[i].inside);
        assert_int_equal(object.end, places[i].inside ? 0x103010 : 0);
    }
    only = NULL;
    const ElfW(Phdr) overlapping[] = {{.p_type = PT_LOAD, .p_vaddr = 0x1000, .p_memsz = 0x500},
                                      {.p_type = PT_LOAD, .p_vaddr = 0x1400, .p_memsz = 0x500}};
    info.dlpi_phdr = overlapping;
    info.dlpi_phnum = 2;
    assert_int_equal(elf_object_from(&info).end, 0x101900);
    info.dlpi_phnum = 0;
    info.dlpi_name = NULL;
    object = elf_object_from(&info);
    assert_string_equal(object.name, "");
    assert_null(object.dynamic);
    assert_int_equal(object.begin, 0);
    assert_int_equal(object.end, 0);
}

static bool all_names(const struct elf_object *object, void *context)
{
    strcat(strcat(context, object->name), object->base == 0x5000 && object->dynamic != NULL ? "+" : "-");
    return false;
}

/* The program's headers lead to the loader's list, and only they. */
static void test_early_list(void **state)
{
    struct link_map second = {.l_addr = 0, .l_name = NULL},
                    first = {.l_addr = 0x5000, .l_name = (char[]){"first"}, .l_next = &second};
    struct r_debug debug = {.r_map = &first};
    ElfW(Dyn) dynamic[] = {{.d_tag = DT_NEEDED}, {.d_tag = DT_DEBUG}, {.d_tag = DT_NULL}},
              none[] = {{.d_tag = DT_NULL}};
    ElfW(Phdr) headers[4] = {{.p_type = PT_DYNAMIC}, {.p_type = PT_PHDR, .p_vaddr = 64}, {.p_type = PT_NOTE}};
    const ElfW(Addr) base = (ElfW(Addr))headers - 64;
    char names[32] = "";
    (void)state;
    first.l_ld = dynamic;
    dynamic[1].d_un.d_ptr = (ElfW(Addr)) & debug;
    headers[0].p_vaddr = (ElfW(Addr))dynamic - base;
    auxiliary[AT_PHDR] = (unsigned long)headers;
    auxiliary[AT_PHNUM] = 3;
    headers[3] = (ElfW(Phdr)){.p_type = PT_DYNAMIC, .p_vaddr = (ElfW(Addr))none - base};
    assert_false(elf_walk_early(all_names, names));
    assert_string_equal(names, "first+-");
    headers[3] = (ElfW(Phdr)){.p_type = PT_PHDR, .p_vaddr = 64 + (ElfW(Addr))dynamic - (ElfW(Addr))none};
    names[0] = '\0';
    assert_false(elf_walk_early(all_names, names));
    assert_string_equal(names, "first+-");
    names[0] = '\0';
    dynamic[1].d_un.d_ptr = 0; /* no list yet */
    assert_false(elf_walk_early(all_names, names));
    dynamic[1].d_tag = DT_NULL; /* a program that the loader does not speak of */
    assert_false(elf_walk_early(all_names, names));
    headers[0].p_type = PT_NOTE; /* a static program */
    assert_false(elf_walk_early(all_names, names));
    auxiliary[AT_PHDR] = 0; /* a kernel that says nothing */
    assert_false(elf_walk_early(all_names, names));
    assert_string_equal(names, "");
    auxiliary[AT_PHNUM] = 0;
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
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_which_of_one_name),
        cmocka_unit_test(test_base),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_early_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
