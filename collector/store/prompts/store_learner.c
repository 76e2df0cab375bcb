/*
 * Learning beside other work, see store_learner.h. A thread lives for one lesson: it mines, says so
 * by a descriptor and ends. Where none can be had, the lesson is mined at once.
 */
#include "store_learner.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct store_learner {
    struct store_lesson *lesson; /* NULL: none is at hand */
    pthread_t thread;
    bool has_thread;
    int fd;
};

struct store_learner *store_learner_new(void)
{
    struct store_learner *learner = calloc(1, sizeof(*learner));

    if (learner == NULL)
        return NULL;
    learner->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (learner->fd >= 0)
        return learner;
    free(learner);
    return NULL;
}

int store_learner_fd(const struct store_learner *learner)
{
    return learner->fd;
}

bool store_learner_is_busy(const struct store_learner *learner)
{
    return learner->lesson != NULL;
}

static void *mine(void *context)
{
    struct store_learner *learner = context;

    store_lesson_run(learner->lesson);
    (void)eventfd_write(learner->fd, 1);
    return NULL;
}

static int begin(struct store_learner *learner, struct store *store, bool *ret_more)
{
    int status = store_lesson_begin(store, &learner->lesson, ret_more);

    if (learner->lesson == NULL)
        return status;
    learner->has_thread = pthread_create(&learner->thread, NULL, mine, learner) == 0;
    if (!learner->has_thread)
        (void)mine(learner);
    return 0;
}

static int end(struct store_learner *learner, struct store *store, bool *ret_more)
{
    struct store_lesson *lesson = learner->lesson;
    eventfd_t told;

    if (learner->has_thread)
        (void)pthread_join(learner->thread, NULL);
    (void)eventfd_read(learner->fd, &told);
    learner->lesson = NULL;
    learner->has_thread = false;
    return store_lesson_end(store, lesson, ret_more);
}

int store_learner_step(struct store_learner *learner, struct store *store, bool *ret_more)
{
    eventfd_t told;

    *ret_more = true;
    if (learner->lesson == NULL)
        return begin(learner, store, ret_more);
    if (eventfd_read(learner->fd, &told) != 0)
        return 0; /* it is still being mined */
    return end(learner, store, ret_more);
}

int store_learner_free(struct store_learner *learner, struct store *store)
{
    bool more;
    int status = 0;

    if (learner == NULL)
        return 0;
    if (learner->lesson != NULL)
        status = end(learner, store, &more);
    (void)close(learner->fd);
    free(learner);
    return status;
}
