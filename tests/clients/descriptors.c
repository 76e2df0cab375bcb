/* What lies in the table of descriptors after calls, and as time goes on: nothing that this program
 * did not open. */
#include "client.h"

#include <dirent.h>
#include <fcntl.h>

static void show(void)
{
    unsigned numbers = 0, highest = 0;
    DIR *directory = opendir("/proc/self/fd");
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        const unsigned number = (unsigned)strtoul(entry->d_name, NULL, 10);
        if (entry->d_name[0] == '.' || (int)number == dirfd(directory))
            continue;
        numbers++;
        highest = number > highest ? number : highest;
    }
    closedir(directory);
    printf("%u descriptors up to %u\n", numbers, highest);
}

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "sse");
    show();
    perform(easy);
    for (int i = 0; i < 30; i++) { /* the library's thread opens its files meanwhile */
        show();
        usleep(10000);
    }
    perform(easy);
    curl_easy_cleanup(easy);
    show();
    /* The lowest number is the next one, whoever else works. */
    unsigned others = 0;
    for (int i = 0; i < 20000; i++) {
        close(STDIN_FILENO);
        others += open("/dev/null", O_RDONLY) != STDIN_FILENO;
    }
    printf("%u of 20000 got another number\n", others);
    return 0;
}
