/* A program into which nothing can be loaded, and which starts another: static_launcher CMD ARGS.
 * Built with -static.
 */
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 2)
        return 42;
    (void)execvp(argv[1], argv + 1);
    return 127;
}
