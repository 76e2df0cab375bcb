/* A library with nothing in it: what preloading costs before there is any content. See
 * scripts/bench. */
typedef int bench_empty;
