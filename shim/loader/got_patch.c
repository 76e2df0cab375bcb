/*
 * See got_patch.h. Called by loader_dlopen on the application's thread. Must never change an import
 * that is bound to anything but the tapped library found through the handle, touch that library's
 * own imports, or leave a page writable that was not.
 */
#include "got_patch.h"

#include "shim/base/say.h"
#include "elf_lookup.h"
#include "c_library.h"
#include "tap.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#if defined(__x86_64__)
enum { IS_JUMP_SLOT = R_X86_64_JUMP_SLOT, IS_GLOBAL_DATA = R_X86_64_GLOB_DAT, IS_POINTER = R_X86_64_64 };
#elif defined(__aarch64__)
enum { IS_JUMP_SLOT = R_AARCH64_JUMP_SLOT, IS_GLOBAL_DATA = R_AARCH64_GLOB_DAT, IS_POINTER = R_AARCH64_ABS64 };
#else
#error "relocations of this processor are not known"
#endif

static int count(struct dl_phdr_info *info, size_t bytes, void *context)
{
    struct got_mark *mark = context;
    (void)bytes;
    mark->objects++;
    mark->unloads = info->dlpi_subs;
    return 0;
}

struct got_mark got_mark(void)
{
    struct got_mark mark = {.objects = 0};
    (void)dl_iterate_phdr(count, &mark);
    return mark;
}

struct patch {
    struct got_mark mark;
    unsigned position;
    struct tap_copy library;
};

/* The pages that the loader made read-only after relocation. */
struct relro {
    uintptr_t begin, end;
    bool open;
};

static struct relro find_relro(const struct dl_phdr_info *info)
{
    struct relro relro = {.begin = 0};
    uintptr_t page_mask = ~((uintptr_t)getauxval(AT_PAGESZ) - 1);
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_GNU_RELRO) {
            relro.begin = (info->dlpi_addr + header->p_vaddr) & page_mask;
            relro.end = (info->dlpi_addr + header->p_vaddr + header->p_memsz) & page_mask;
        }
    }
    return relro;
}

static bool in_writable_segment(const struct dl_phdr_info *info, uintptr_t address)
{
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_LOAD && (header->p_flags & PF_W) != 0 &&
            address - (info->dlpi_addr + header->p_vaddr) <= header->p_memsz - sizeof(void *))
            return true;
    }
    return false;
}

static void patch_slot(const struct dl_phdr_info *info, const struct elf_object *object, const struct tap_copy *library,
                       struct relro *relro, const ElfW(Rela) * entry, const char *name)
{
    uintptr_t address = object->base + entry->r_offset;
    const void *real = tap_real(library, name);
    void *trampoline = tap_instead(library, name);
    if (real == NULL || trampoline == NULL || address % sizeof(void *) != 0 || !in_writable_segment(info, address))
        return;
    void *_Atomic *slot = (void *_Atomic *)address;
    uintptr_t bound = (uintptr_t)atomic_load(slot);
    bool not_yet_bound = ELF64_R_TYPE(entry->r_info) == IS_JUMP_SLOT && bound >= object->begin && bound < object->end;
    if (bound != (uintptr_t)real && !not_yet_bound)
        return;
    if (!relro->open && address >= relro->begin && address < relro->end) {
        if (mprotect((void *)relro->begin, relro->end - relro->begin, PROT_READ | PROT_WRITE) != 0) {
            shim_say_once_about("the imports of a plugin cannot be changed, its calls are not recorded", object->name);
            return;
        }
        relro->open = true;
    }
    atomic_store(slot, trampoline);
}

static void patch_table(const struct dl_phdr_info *info, const struct elf_object *object,
                        const struct tap_copy *library, struct relro *relro, const ElfW(Rela) * table, size_t bytes)
{
    const ElfW(Sym) *symbols = elf_dynamic_pointer(object, DT_SYMTAB);
    const char *strings = elf_dynamic_pointer(object, DT_STRTAB);
    if (table == NULL || symbols == NULL || strings == NULL)
        return;
    for (size_t i = 0; i < bytes / sizeof(*table); i++) {
        const ElfW(Rela) *entry = &table[i];
        uint64_t type = ELF64_R_TYPE(entry->r_info);
        if (type != IS_JUMP_SLOT && type != IS_GLOBAL_DATA && (type != IS_POINTER || entry->r_addend != 0))
            continue;
        const char *name = strings + symbols[ELF64_R_SYM(entry->r_info)].st_name;
        if (strncmp(name, tap_prefix, strlen(tap_prefix)) == 0)
            patch_slot(info, object, library, relro, entry, name);
    }
}

static int patch_object(struct dl_phdr_info *info, size_t bytes, void *context)
{
    struct patch *patch = context;
    (void)bytes;
    /* New objects stand at the end of the list; after an unload by somebody else the position says
     * nothing. */
    bool old = patch->position++ < patch->mark.objects && info->dlpi_subs == patch->mark.unloads;
    struct elf_object object = elf_object_from(info);
    if (old || object.dynamic == NULL || loader_is_own(object.dynamic) || object.begin == patch->library.begin)
        return 0;
    if (elf_symbol(&object, tap_hallmark) != NULL)
        return 0; /* another copy */
    struct relro relro = find_relro(info);
    if (elf_dynamic_value(&object, DT_PLTREL) == DT_RELA)
        patch_table(info, &object, &patch->library, &relro, elf_dynamic_pointer(&object, DT_JMPREL),
                    elf_dynamic_value(&object, DT_PLTRELSZ));
    patch_table(info, &object, &patch->library, &relro, elf_dynamic_pointer(&object, DT_RELA),
                elf_dynamic_value(&object, DT_RELASZ));
    if (relro.open)
        (void)mprotect((void *)relro.begin, relro.end - relro.begin, PROT_READ);
    return 0;
}

void got_patch_since(struct got_mark mark, void *handle)
{
    const struct loader_real *real = loader_real();
    struct patch patch = {.mark = mark};
    if (real->dlsym == NULL)
        return;
    const void *version = real->dlsym(handle, tap_hallmark);
    if (version == NULL) {
        if (real->dlerror != NULL)
            (void)real->dlerror();
        return;
    }
    if (tap_copy_of(version, &patch.library))
        (void)dl_iterate_phdr(patch_object, &patch);
}
