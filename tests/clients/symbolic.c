/*
 * Linked to the clients whose name ends in _symbolic: makes the libcurl of the process one that was
 * built with -Bsymbolic-functions, as several distributions do. Its calls of its own functions then
 * do not go through the symbol table, so that nobody can stand between.
 */
#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct tables {
    const ElfW(Sym) * symbols;
    const char *strings;
    const ElfW(Rela) * plt, *data;
    size_t plt_bytes, data_bytes;
};

static uintptr_t address(const struct dl_phdr_info *object, uintptr_t value)
{
    return value < object->dlpi_addr ? object->dlpi_addr + value : value; /* glibc has relocated most of them */
}

static struct tables read_tables(const struct dl_phdr_info *object)
{
    struct tables tables = {0};
    const ElfW(Dyn) *entry = NULL;
    for (int i = 0; i < object->dlpi_phnum; i++)
        if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
            entry = (const ElfW(Dyn) *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
    for (; entry != NULL && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_SYMTAB)
            tables.symbols = (const ElfW(Sym) *)address(object, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_STRTAB)
            tables.strings = (const char *)address(object, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_JMPREL)
            tables.plt = (const ElfW(Rela) *)address(object, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_PLTRELSZ)
            tables.plt_bytes = entry->d_un.d_val;
        else if (entry->d_tag == DT_RELA)
            tables.data = (const ElfW(Rela) *)address(object, entry->d_un.d_ptr);
        else if (entry->d_tag == DT_RELASZ)
            tables.data_bytes = entry->d_un.d_val;
    return tables;
}

static unsigned bind_to_itself(const struct dl_phdr_info *object, const struct tables *tables, const ElfW(Rela) * first,
                               size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    unsigned bound = 0;
    for (size_t i = 0; i < bytes / sizeof(*first); i++) {
        const ElfW(Sym) *symbol = &tables->symbols[ELF64_R_SYM(first[i].r_info)];
        if (symbol->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC ||
            strncmp(tables->strings + symbol->st_name, "curl_", 5) != 0)
            continue;
        uintptr_t slot = object->dlpi_addr + first[i].r_offset;
        if (mprotect((void *)(slot & ~(page - 1)), page, PROT_READ | PROT_WRITE) != 0)
            abort();
        *(uintptr_t *)slot = object->dlpi_addr + symbol->st_value;
        bound++;
    }
    return bound;
}

static int make_symbolic(struct dl_phdr_info *object, size_t bytes, void *context)
{
    (void)bytes;
    if (strstr(object->dlpi_name, "libcurl") == NULL)
        return 0;
    struct tables tables = read_tables(object);
    *(unsigned *)context += bind_to_itself(object, &tables, tables.plt, tables.plt_bytes);
    *(unsigned *)context += bind_to_itself(object, &tables, tables.data, tables.data_bytes);
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    unsigned bound = 0;
    dl_iterate_phdr(make_symbolic, &bound);
    if (bound == 0) {
        fputs("libcurl has no call of its own functions that could be bound\n", stderr);
        abort();
    }
}
