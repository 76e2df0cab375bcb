/*
 * What preloading costs a program that does nothing: starts PROGRAM N times in turn without and
 * with LD_PRELOAD and prints the 10th percentile and the median of the wall time of each in
 * microseconds. Usage: bench_spawn LIBRARY N PROGRAM
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double run(const char *program, char *const environment[])
{
    char *const argv[] = {(char[]){"program"}, NULL};
    pid_t pid;
    int status;
    double start = now_us();
    if (posix_spawn(&pid, program, NULL, NULL, argv, environment) != 0 || waitpid(pid, &status, 0) != pid ||
        status != 0) {
        fprintf(stderr, "bench_spawn: cannot run %s\n", program);
        exit(1);
    }
    return now_us() - start;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    size_t n = (size_t)atol(argv[2]);
    double *times[2] = {calloc(n, sizeof(double)), calloc(n, sizeof(double))};
    char preload[4096];
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", argv[1]);
    char *const bare[] = {NULL}, *const with[] = {preload, NULL};
    if (n == 0 || times[0] == NULL || times[1] == NULL)
        return 2;
    for (size_t i = 0; i < n; i++) {
        times[0][i] = run(argv[3], bare);
        times[1][i] = run(argv[3], with);
    }
    qsort(times[0], n, sizeof(double), compare);
    qsort(times[1], n, sizeof(double), compare);
    printf("{\"bare_p10_us\":%.1f,\"with_p10_us\":%.1f,\"bare_p50_us\":%.1f,\"with_p50_us\":%.1f}\n", times[0][n / 10],
           times[1][n / 10], times[0][n / 2], times[1][n / 2]);
    free(times[0]);
    free(times[1]);
    return 0;
}
