/* A share handle whose lock callbacks use libcurl themselves. */
#include "client.h"

static int locks, unlocks;

static void lock(CURL *easy, curl_lock_data data, curl_lock_access access, void *context)
{
    (void)easy, (void)data, (void)access, (void)context;
    locks++;
    CURL *own = curl_easy_init();
    curl_easy_setopt(own, CURLOPT_URL, "http://localhost/");
    curl_easy_cleanup(own);
}

static void unlock(CURL *easy, curl_lock_data data, void *context)
{
    (void)easy, (void)data, (void)context;
    unlocks++;
}

int main(int argc, char **argv)
{
    (void)argc;
    CURLSH *share = curl_share_init();
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
    curl_share_setopt(share, CURLSHOPT_LOCKFUNC, lock);
    curl_share_setopt(share, CURLSHOPT_UNLOCKFUNC, unlock);
    CURL *easy = request(argv[1], "sse");
    curl_easy_setopt(easy, CURLOPT_SHARE, share);
    perform(easy);
    curl_easy_cleanup(easy);
    printf("locks %d unlocks %d\n", locks > 0, locks == unlocks);
    curl_share_cleanup(share);
    return 0;
}
