/*
 * Symbols of mapped objects, read from their own tables: needed where the C library's dlsym cannot
 * be used because libpprof exports that name itself, and where a failed dlsym would leave an error
 * for the application's dlerror().
 *
 * Any thread. No allocation, no lock of ours; whoever asks makes sure that the object stays mapped
 * meanwhile (inside dl_iterate_phdr, pinned, or because its code is running).
 */
#pragma once

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_object {
    ElfW(Addr) base;           /* load bias */
    const ElfW(Dyn) * dynamic; /* NULL: no dynamic section */
    const char *name;          /* as the loader knows it, "" for the program; lives as long as the object */
    uintptr_t begin, end;      /* what its segments span; 0 when not known (elf_first_after) */
};

/* From what dl_iterate_phdr hands to its callback. */
struct elf_object elf_object_from(const struct dl_phdr_info *info);

/* The mapped object with this address in one of its segments; false when there is none (or in
 * another dlmopen namespace). */
bool elf_object_at(struct elf_object *ret_object, const void *address);

/*
 * The address of a function or variable that the object defines and exports, NULL when it has none.
 * Of several versions the default one. Indirect functions and thread-local variables are not found.
 */
void *elf_symbol(const struct elf_object *object, const char *name);

/* An entry of the dynamic section as an address in memory, or NULL. */
const void *elf_dynamic_pointer(const struct elf_object *object, ElfW(Sxword) tag);
/* The same as a number, 0 when absent. */
size_t elf_dynamic_value(const struct elf_object *object, ElfW(Sxword) tag);

/*
 * Walks the loader's list of objects, in its order, without the C library's help (the dynamic
 * section of the program leads there): usable before anything is initialised. Only while nobody
 * else can load or unload, that is at the start of the process. The callback returns true to stop;
 * then so does this.
 */
bool elf_walk_early(bool (*callback)(const struct elf_object *object, void *context), void *context);
