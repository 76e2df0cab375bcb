/*
 * Reads what matters of an ELF file: class, loader, needed libraries, Go, a libcurl inside. Called
 * by record and doctor on files that anybody may have written: every offset is checked against the
 * file's size.
 */
#include "program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#define THIS_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define THIS_MACHINE EM_AARCH64
#else
#error "pprofctl doctor does not know this machine's ELF number; add it here"
#endif

struct image {
    const uint8_t *data;
    size_t bytes;
};

/* `bytes` bytes at `offset`, or NULL when the file ends before. */
static const void *image_at(const struct image *image, uint64_t offset, uint64_t bytes)
{
    if (offset > image->bytes || bytes > image->bytes - offset)
        return NULL;
    return image->data + offset;
}

/* A text at `offset`, or NULL when it does not end inside the file. */
static const char *image_text(const struct image *image, uint64_t offset)
{
    const char *text = image_at(image, offset, 1);
    if (text == NULL || memchr(text, '\0', image->bytes - offset) == NULL)
        return NULL;
    return text;
}

static bool read_header(const struct image *image, Elf64_Ehdr *ret_header)
{
    const void *data = image_at(image, 0, sizeof(*ret_header));
    if (data == NULL)
        return false;
    memcpy(ret_header, data, sizeof(*ret_header));
    return ret_header->e_phentsize == sizeof(Elf64_Phdr);
}

static bool read_segment(const struct image *image, const Elf64_Ehdr *header, unsigned i, Elf64_Phdr *ret_segment)
{
    const void *data = image_at(image, header->e_phoff + (uint64_t)i * sizeof(*ret_segment), sizeof(*ret_segment));
    if (data == NULL)
        return false;
    memcpy(ret_segment, data, sizeof(*ret_segment));
    return true;
}

/* Where an address of the program lies in the file; UINT64_MAX when nowhere. */
static uint64_t file_offset(const struct image *image, const Elf64_Ehdr *header, uint64_t address)
{
    Elf64_Phdr segment;
    for (unsigned i = 0; i < header->e_phnum && read_segment(image, header, i, &segment); i++)
        if (segment.p_type == PT_LOAD && address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz)
            return segment.p_offset + (address - segment.p_vaddr);
    return UINT64_MAX;
}

/* False when memory ran out. */
static bool add_needed(struct elf_facts *facts, const char *name)
{
    if (name == NULL || facts->n_needed == PROGRAM_NEEDED_MAX)
        return true;
    char **grown = realloc((void *)facts->needed, (facts->n_needed + 1) * sizeof(*grown));
    if (grown == NULL)
        return false;
    facts->needed = grown;
    facts->needed[facts->n_needed] = strdup(name);
    return facts->needed[facts->n_needed] != NULL && ++facts->n_needed > 0;
}

static bool dynamic_entry(const struct image *image, const Elf64_Phdr *segment, uint64_t i, Elf64_Dyn *ret_entry)
{
    if ((i + 1) * sizeof(*ret_entry) > segment->p_filesz)
        return false;
    const void *data = image_at(image, segment->p_offset + i * sizeof(*ret_entry), sizeof(*ret_entry));
    if (data == NULL)
        return false;
    memcpy(ret_entry, data, sizeof(*ret_entry));
    return ret_entry->d_tag != DT_NULL;
}

/* False when memory ran out. */
static bool read_dynamic(struct elf_facts *facts, const struct image *image, const Elf64_Ehdr *header,
                         const Elf64_Phdr *segment)
{
    Elf64_Dyn entry;
    bool kept = true;
    uint64_t strings = UINT64_MAX;
    for (uint64_t i = 0; dynamic_entry(image, segment, i, &entry); i++)
        if (entry.d_tag == DT_STRTAB)
            strings = file_offset(image, header, entry.d_un.d_ptr);
    if (strings >= image->bytes)
        return true;
    for (uint64_t i = 0; kept && dynamic_entry(image, segment, i, &entry); i++) {
        if (entry.d_un.d_val > image->bytes)
            continue;
        const char *text = image_text(image, strings + entry.d_un.d_val);
        if (entry.d_tag == DT_NEEDED)
            kept = add_needed(facts, text);
        else if ((entry.d_tag == DT_RUNPATH || entry.d_tag == DT_RPATH) && text != NULL)
            (void)strncpy(facts->runpath, text, sizeof(facts->runpath) - 1);
    }
    return kept;
}

static bool contains(const struct image *image, const char *text)
{
    return memmem(image->data, image->bytes, text, strlen(text)) != NULL;
}

/* "libcurl/7.88.1" in the file: the user agent of a libcurl that is part of it. */
static bool contains_curl(const struct image *image)
{
    static const char mark[] = "libcurl/";
    const uint8_t *at = image->data;
    size_t left = image->bytes;
    while ((at = memmem(at, left, mark, sizeof(mark) - 1)) != NULL) {
        left = image->bytes - (size_t)(at - image->data);
        if (left > sizeof(mark) && at[sizeof(mark) - 1] >= '0' && at[sizeof(mark) - 1] <= '9')
            return true;
        at++;
        left--;
    }
    return false;
}

/* False when memory ran out. */
static bool read_native(struct elf_facts *facts, const struct image *image)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    if (!read_header(image, &header))
        return true;
    facts->pie = header.e_type == ET_DYN;
    for (unsigned i = 0; i < header.e_phnum && read_segment(image, &header, i, &segment); i++) {
        if (segment.p_type == PT_DYNAMIC && !read_dynamic(facts, image, &header, &segment))
            return false;
        if (segment.p_type != PT_INTERP)
            continue;
        const char *loader = image_text(image, segment.p_offset);
        facts->dynamic = loader != NULL;
        facts->musl = loader != NULL && strstr(loader, "ld-musl") != NULL;
    }
    facts->go = contains(image, "\xff Go buildinf:");
    facts->static_curl = contains_curl(image);
    facts->mentions_curl = contains(image, "libcurl.so") || contains(image, "libcurl-gnutls.so");
    return true;
}

static enum program_kind kind_of(const struct image *image)
{
    if (image->bytes < sizeof(Elf32_Ehdr) || memcmp(image->data, ELFMAG, SELFMAG) != 0)
        return PROGRAM_NOT_ELF;
    if (image->data[EI_CLASS] == ELFCLASS32)
        return PROGRAM_ELF32;
    Elf64_Ehdr header;
    if (image->data[EI_DATA] != ELFDATA2LSB || !read_header(image, &header) || header.e_machine != THIS_MACHINE)
        return PROGRAM_OTHER_MACHINE;
    return PROGRAM_NATIVE;
}

int elf_read(struct elf_facts *ret_facts, const char *path)
{
    struct stat status;
    *ret_facts = (struct elf_facts){.kind = PROGRAM_NOT_ELF};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
        (void)close(fd);
        return 0;
    }
    struct image image = {.bytes = (size_t)status.st_size};
    void *mapped = mmap(NULL, image.bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    if (mapped == MAP_FAILED)
        return -1;
    image.data = mapped;
    ret_facts->kind = kind_of(&image);
    bool read = ret_facts->kind != PROGRAM_NATIVE || read_native(ret_facts, &image);
    (void)munmap(mapped, image.bytes);
    if (read)
        return 0;
    elf_done(ret_facts);
    errno = ENOMEM;
    return -1;
}

void elf_done(struct elf_facts *facts)
{
    for (size_t i = 0; i < facts->n_needed; i++)
        free(facts->needed[i]);
    free((void *)facts->needed);
    facts->needed = NULL;
    facts->n_needed = 0;
}
