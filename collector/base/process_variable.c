/* See process_variable.h. Called by whoever asks which collector a living process has. Must never
 * keep what it read: environments hold secrets. */
#include "process_variable.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One variable while its bytes come by. */
struct entry {
    const char *name;
    size_t at;        /* bytes of it that came */
    bool other;       /* it has another name */
    bool equals;      /* it has a =, as each has */
    bool overwritten; /* one had none: a server writes titles there */
    char *value;
    size_t room;
};

/* Whether the variable that we look for has ended with this byte. */
static bool took(struct entry *entry, char byte)
{
    size_t name = strlen(entry->name);

    if (byte == '\0') {
        bool found = !entry->other && entry->at > name;
        size_t bytes = found ? entry->at - name - 1 : 0;

        if (found)
            entry->value[bytes < entry->room ? bytes : entry->room - 1] = '\0';
        entry->overwritten |= !entry->equals;
        entry->at = 0;
        entry->other = entry->equals = false;
        return found;
    }
    entry->equals |= byte == '=';
    if (entry->at <= name)
        entry->other |= byte != (entry->at == name ? '=' : entry->name[entry->at]);
    else if (!entry->other && entry->at - name - 1 < entry->room - 1)
        entry->value[entry->at - name - 1] = byte;
    entry->at++;
    return false;
}

enum process_variable process_variable(const char *pid, const char *name, char *value, size_t room)
{
    struct entry entry = {.name = name, .value = value, .room = room};
    char path[64];
    char part[4096];
    bool any = false;
    bool found = false;
    ssize_t got = 0;

    (void)snprintf(path, sizeof(path), "/proc/%.32s/environ", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return PROCESS_VARIABLE_UNREADABLE;
    while (!found && (got = read(fd, part, sizeof(part))) > 0) {
        any = true;
        for (ssize_t i = 0; i < got && !found; i++)
            found = took(&entry, part[i]);
    }
    if (got == 0 && !found && entry.at > 0)
        found = took(&entry, '\0'); /* what the process wrote there need not end */
    (void)close(fd);
    explicit_bzero(part, sizeof(part));
    return found                                   ? PROCESS_VARIABLE_SET
           : any && got == 0 && !entry.overwritten ? PROCESS_VARIABLE_UNSET
                                                   : PROCESS_VARIABLE_UNREADABLE;
}
