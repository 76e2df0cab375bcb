/* Where the corpus of recorded exchanges lies on this machine, for tests that use it when it is there. It is never part of the tree. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef PPROF_SOURCE_DIR
#define PPROF_SOURCE_DIR "."
#endif

/* $LIBPPROF_CORPUS, else ../shared/corpus beside the source tree; NULL, and a loud word, if there is none. */
static inline const char *corpus_directory(void)
{
    static const char beside[] = PPROF_SOURCE_DIR "/../shared/corpus";
    const char *said = getenv("LIBPPROF_CORPUS");
    const char *directory = said && said[0] ? said : beside;
    if (!access(directory, R_OK | X_OK))
        return directory;
    fprintf(stderr, "\n*** NO CORPUS at %s: nothing was compared with recorded exchanges (set LIBPPROF_CORPUS) ***\n\n", directory);
    return NULL;
}
