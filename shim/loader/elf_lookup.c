/*
 * See elf_lookup.h. Called by the loader's stubs (on any thread, also before any constructor ran,
 * which is why this file is never compiled with sanitizers inside libpprof.so) and by library.c.
 * Must never call anything that libpprof exports or that a sanitizer intercepts, except
 * dl_iterate_phdr outside of the early walk.
 */
#include "elf_lookup.h"

#include <sys/auxv.h>

/* Own, because the C library's may be intercepted and not ready at the start. */
static bool same_text(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static const ElfW(Dyn) * find_dynamic(const struct elf_object *object, ElfW(Sxword) tag)
{
    for (const ElfW(Dyn) *entry = object->dynamic; entry != NULL && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == tag)
            return entry;
    return NULL;
}

const void *elf_dynamic_pointer(const struct elf_object *object, ElfW(Sxword) tag)
{
    const ElfW(Dyn) *entry = find_dynamic(object, tag);
    if (entry == NULL || entry->d_un.d_ptr == 0)
        return NULL;
    /* glibc adds the bias to these entries in memory, musl (and glibc in the vDSO) does not. */
    ElfW(Addr) address = entry->d_un.d_ptr;
    if (address < object->base)
        address += object->base;
    return (const void *)address;
}

size_t elf_dynamic_value(const struct elf_object *object, ElfW(Sxword) tag)
{
    const ElfW(Dyn) *entry = find_dynamic(object, tag);
    return entry == NULL ? 0 : (size_t)entry->d_un.d_val;
}

struct tables {
    const ElfW(Sym) * symbols;
    const char *strings;
    const ElfW(Half) * versions; /* NULL: the object has no versions */
    ElfW(Addr) base;
};

enum match { NO_MATCH, OTHER_VERSION, WANTED, UNUSABLE /* the default version, but no plain function or variable */ };

static enum match match(const struct tables *tables, size_t index, const char *name)
{
    const ElfW(Sym) *symbol = &tables->symbols[index];
    unsigned type = symbol->st_info & 0xfU;
    unsigned bind = symbol->st_info >> 4U;
    unsigned visibility = symbol->st_other & 0x3U;
    if (symbol->st_shndx == SHN_UNDEF || (symbol->st_value == 0 && type != STT_TLS))
        return NO_MATCH;
    if (bind != STB_GLOBAL && bind != STB_WEAK && bind != STB_GNU_UNIQUE)
        return NO_MATCH;
    if (visibility == STV_HIDDEN || visibility == STV_INTERNAL || !same_text(tables->strings + symbol->st_name, name))
        return NO_MATCH;
    bool hidden_version = tables->versions != NULL && (tables->versions[index] & 0x8000U) != 0;
    bool usable = type == STT_FUNC || type == STT_OBJECT || type == STT_NOTYPE;
    if (hidden_version)
        return usable ? OTHER_VERSION : NO_MATCH;
    return usable ? WANTED : UNUSABLE;
}

static void *address_of(const struct tables *tables, size_t index)
{
    ElfW(Addr) base = tables->symbols[index].st_shndx == SHN_ABS ? 0 : tables->base;
    return (void *)(base + tables->symbols[index].st_value);
}

static void *find_gnu(const struct tables *tables, const uint32_t *table, const char *name)
{
    uint32_t hash = 5381;
    for (const char *c = name; *c != '\0'; c++)
        hash = hash * 33 + (unsigned char)*c;
    uint32_t buckets_n = table[0];
    uint32_t first_symbol = table[1];
    uint32_t bloom_words = table[2];
    uint32_t bloom_shift = table[3];
    const ElfW(Addr) *bloom = (const void *)(table + 4);
    const uint32_t *buckets = (const void *)(bloom + bloom_words);
    const uint32_t *chains = buckets + buckets_n;
    const uint32_t word_bits = 8 * (uint32_t)sizeof(*bloom);
    if (buckets_n == 0 || bloom_words == 0)
        return NULL;
    ElfW(Addr) word = bloom[(hash / word_bits) % bloom_words];
    ElfW(Addr) mask = (ElfW(Addr))1 << (hash % word_bits) | (ElfW(Addr))1 << ((hash >> bloom_shift) % word_bits);
    if ((word & mask) != mask)
        return NULL;
    uint32_t index = buckets[hash % buckets_n];
    if (index < first_symbol)
        return NULL; /* an empty bucket: index - first_symbol would leave the table */
    void *other_version = NULL;
    for (;; index++) {
        uint32_t chained = chains[index - first_symbol];
        if ((chained | 1U) == (hash | 1U)) {
            enum match matched = match(tables, index, name);
            if (matched == WANTED || matched == UNUSABLE)
                return matched == WANTED ? address_of(tables, index) : NULL;
            if (matched == OTHER_VERSION && other_version == NULL)
                other_version = address_of(tables, index);
        }
        if ((chained & 1U) != 0)
            return other_version;
    }
}

static void *find_sysv(const struct tables *tables, const uint32_t *table, const char *name)
{
    uint32_t hash = 0;
    for (const char *c = name; *c != '\0'; c++) {
        hash = (hash << 4U) + (unsigned char)*c;
        uint32_t high = hash & 0xf0000000U;
        hash = (hash ^ (high >> 24U)) & ~high;
    }
    uint32_t buckets_n = table[0];
    uint32_t symbols_n = table[1];
    const uint32_t *buckets = table + 2;
    const uint32_t *chains = buckets + buckets_n;
    void *other_version = NULL;
    if (buckets_n == 0)
        return NULL;
    for (uint32_t index = buckets[hash % buckets_n]; index != STN_UNDEF && index < symbols_n; index = chains[index]) {
        enum match matched = match(tables, index, name);
        if (matched == WANTED || matched == UNUSABLE)
            return matched == WANTED ? address_of(tables, index) : NULL;
        if (matched == OTHER_VERSION && other_version == NULL)
            other_version = address_of(tables, index);
    }
    return other_version;
}

void *elf_symbol(const struct elf_object *object, const char *name)
{
    struct tables tables = {
        .symbols = elf_dynamic_pointer(object, DT_SYMTAB),
        .strings = elf_dynamic_pointer(object, DT_STRTAB),
        .versions = elf_dynamic_pointer(object, DT_VERSYM),
        .base = object->base,
    };
    if (tables.symbols == NULL || tables.strings == NULL)
        return NULL;
    const uint32_t *gnu = elf_dynamic_pointer(object, DT_GNU_HASH);
    if (gnu != NULL)
        return find_gnu(&tables, gnu, name);
    const uint32_t *sysv = elf_dynamic_pointer(object, DT_HASH);
    return sysv != NULL ? find_sysv(&tables, sysv, name) : NULL;
}

struct elf_object elf_object_from(const struct dl_phdr_info *info)
{
    struct elf_object object = {
        .base = info->dlpi_addr, .name = info->dlpi_name != NULL ? info->dlpi_name : "", .begin = UINTPTR_MAX};
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_DYNAMIC)
            object.dynamic = (const void *)begin;
        if (header->p_type != PT_LOAD)
            continue;
        object.begin = begin < object.begin ? begin : object.begin;
        object.end = begin + header->p_memsz > object.end ? begin + header->p_memsz : object.end;
    }
    if (object.begin > object.end)
        object.begin = object.end;
    return object;
}

struct search {
    uintptr_t address;
    struct elf_object *ret_object;
};

static int look_at(struct dl_phdr_info *info, size_t bytes, void *context)
{
    const struct search *search = context;
    (void)bytes;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_LOAD && search->address - (info->dlpi_addr + header->p_vaddr) < header->p_memsz) {
            *search->ret_object = elf_object_from(info);
            return 1;
        }
    }
    return 0;
}

bool elf_object_at(struct elf_object *ret_object, const void *address)
{
    struct search search = {.address = (uintptr_t)address, .ret_object = ret_object};
    return dl_iterate_phdr(look_at, &search) != 0;
}

/* The head of the loader's list, through DT_DEBUG of the program: glibc and musl both fill it. */
static const struct link_map *first_link(void)
{
    const ElfW(Phdr) *headers = (const void *)getauxval(AT_PHDR);
    size_t headers_n = getauxval(AT_PHNUM);
    struct elf_object program = {.dynamic = NULL};
    if (headers == NULL)
        return NULL;
    for (size_t i = 0; i < headers_n; i++)
        if (headers[i].p_type == PT_PHDR)
            program.base = (ElfW(Addr))headers - headers[i].p_vaddr;
    for (size_t i = 0; i < headers_n; i++)
        if (headers[i].p_type == PT_DYNAMIC)
            program.dynamic = (const void *)(program.base + headers[i].p_vaddr);
    const ElfW(Dyn) *entry = find_dynamic(&program, DT_DEBUG);
    const struct r_debug *debug = entry == NULL ? NULL : (const void *)entry->d_un.d_ptr;
    return debug == NULL ? NULL : debug->r_map;
}

bool elf_walk_early(bool (*callback)(const struct elf_object *object, void *context), void *context)
{
    for (const struct link_map *link = first_link(); link != NULL; link = link->l_next) {
        struct elf_object object = {
            .base = link->l_addr, .dynamic = link->l_ld, .name = link->l_name != NULL ? link->l_name : ""};
        if (callback(&object, context))
            return true;
    }
    return false;
}
