/* See ending.h. Called by scribe.c on the scribe's thread. Must never end anything but that
 * thread. */
#include "ending.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/base/config.h"
#include "shim/base/own_fd.h"
#include "shim/base/own_thread.h"
#include "shim/base/process_info.h"

enum { CHECK_NS = 500 * 1000 * 1000 };

void ending_prepare(struct ending *ending)
{
    /* With a table of its own it must not be the thread that runs exit(): what the program's
     * handlers write to is not there. */
    ending->hidden = own_thread_is_hidden(&ending->place);
    if (ending->hidden)
        own_fd_separate(shim_config.log != NULL && strcmp(shim_config.log, "stderr") == 0);
}

bool ending_alone(struct ending *ending, pid_t process, uint64_t now_ns, uint64_t record_ns, bool idle)
{
    if (now_ns - record_ns < CHECK_NS || now_ns - ending->looked_ns < CHECK_NS)
        return false;
    ending->looked_ns = now_ns;
    switch (process_info_threads(process, &ending->code)) {
    case THREADS_ONE:
        return true;
    case THREADS_UNSEEN:
        if (!idle || ending->left || !ending->hidden || !own_thread_main_has_ended())
            return false;
        ending->left = true; /* its stack is lost if others live on: not again and again */
        return true;
    case THREADS_SEVERAL:
        break;
    }
    return false;
}

void ending_leave(const struct ending *ending)
{
    if (ending->hidden)
        (void)syscall(SYS_exit, ending->code); /* the last thread's code is the process' */
    /* Else the C library ends the process, as it would have without us. */
}
