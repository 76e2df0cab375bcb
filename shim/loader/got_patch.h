/*
 * Objects loaded with RTLD_DEEPBIND find libcurl before they find us (PHP's extensions): their
 * imports of the hooked names are directed to the trampolines of the libcurl that they were bound
 * to, after they were loaded. Everything else about them stays as the flag demands.
 */
#pragma once

/* The objects mapped at one moment. */
struct got_mark {
    unsigned long long unloads;
    unsigned objects;
};

struct got_mark got_mark(void);

/* Patches what was mapped since the mark, as reached through `handle`. Any thread; the thread that
 * called dlopen. */
void got_patch_since(struct got_mark mark, void *handle);
