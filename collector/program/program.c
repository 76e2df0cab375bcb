/*
 * Finds a command as a shell does, follows scripts to their interpreter, and judges whether the
 * loader can preload into it. Called by record and doctor; runs nothing.
 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Looks `command` up in PATH. An executable file wins; a file that is not executable is kept as
 * second best. */
static void find_command(struct program *program, const char *command)
{
    const char *path = getenv("PATH");
    char candidate[PATH_MAX];
    program->verdict = PROGRAM_NOT_FOUND;
    if (path == NULL)
        path = "/usr/local/bin:/usr/bin:/bin";
    while (true) {
        size_t bytes = strcspn(path, ":");
        int written =
            snprintf(candidate, sizeof(candidate), "%.*s%s%s", (int)bytes, path, bytes > 0 ? "/" : "", command);
        if (written > 0 && (size_t)written < sizeof(candidate) && is_file(candidate)) {
            bool executable = access(candidate, X_OK) == 0;
            if (executable || program->verdict == PROGRAM_NOT_FOUND)
                memcpy(program->path, candidate, sizeof(candidate));
            program->verdict = executable ? PROGRAM_LOADABLE : PROGRAM_NOT_EXECUTABLE;
            if (executable)
                return;
        }
        if (path[bytes] == '\0')
            return;
        path += bytes + 1;
    }
}

static void locate(struct program *program, const char *command)
{
    if (strchr(command, '/') == NULL) {
        if (command[0] == '\0')
            program->verdict = PROGRAM_NOT_FOUND;
        else
            find_command(program, command);
        return;
    }
    (void)snprintf(program->path, sizeof(program->path), "%s", command);
    if (access(command, F_OK) != 0)
        program->verdict = errno == EACCES ? PROGRAM_NOT_EXECUTABLE : PROGRAM_NOT_FOUND;
    else if (!is_file(command) || access(command, X_OK) != 0)
        program->verdict = PROGRAM_NOT_EXECUTABLE;
}

/* The interpreter that the first line of a script names, with its first argument ("" when it has
 * none). */
static bool read_interpreter(const char *path, char interpreter[PATH_MAX], char argument[PATH_MAX])
{
    char line[PATH_MAX] = "";
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(line, sizeof(line), file) != NULL;
    if (file != NULL)
        (void)fclose(file);
    if (!read || strncmp(line, "#!", 2) != 0)
        return false;
    char *at = line + 2 + strspn(line + 2, " \t");
    size_t bytes = strcspn(at, " \t\r\n");
    (void)snprintf(interpreter, PATH_MAX, "%.*s", (int)bytes, at);
    at += bytes;
    at += strspn(at, " \t");
    (void)snprintf(argument, PATH_MAX, "%.*s", (int)strcspn(at, "\r\n"), at);
    return interpreter[0] != '\0';
}

/* "#!/usr/bin/env -S python3 -u" means python3. */
static void follow_env(char interpreter[PATH_MAX], const char *argument)
{
    const char *slash = strrchr(interpreter, '/');
    if (strcmp(slash != NULL ? slash + 1 : interpreter, "env") != 0)
        return;
    while (*argument != '\0') {
        size_t word = strcspn(argument, " \t");
        if (argument[0] != '-' && memchr(argument, '=', word) == NULL)
            break;
        argument += word + strspn(argument + word, " \t");
    }
    struct program found = {.verdict = PROGRAM_LOADABLE};
    char name[PATH_MAX];
    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(argument, " \t"), argument);
    if (name[0] == '\0')
        return;
    locate(&found, name);
    if (found.verdict == PROGRAM_LOADABLE)
        (void)snprintf(interpreter, PATH_MAX, "%s", found.path);
}

/* Follows #! lines until a file that is none. */
static void follow_scripts(struct program *program)
{
    char interpreter[PATH_MAX], argument[PATH_MAX];
    memcpy(program->binary, program->path, sizeof(program->binary));
    while (program->n_scripts < PROGRAM_SCRIPTS_MAX && read_interpreter(program->binary, interpreter, argument)) {
        memcpy(program->script[program->n_scripts++], program->binary, PATH_MAX);
        follow_env(interpreter, argument);
        memcpy(program->binary, interpreter, sizeof(program->binary));
        if (access(program->binary, X_OK) != 0) {
            program->verdict = PROGRAM_NOT_FOUND;
            (void)snprintf(
                program->why, sizeof(program->why),
                "its interpreter %.*s cannot be executed; install it or correct the first line of the script", 200,
                program->binary);
            return;
        }
    }
}

/* The kernel will raise the privileges of whoever runs it, so the loader ignores LD_PRELOAD. */
static bool raises_privileges(const char *path)
{
    struct stat status;
    struct statvfs filesystem;
    if (stat(path, &status) < 0 || (statvfs(path, &filesystem) == 0 && (filesystem.f_flag & ST_NOSUID) != 0))
        return false;
    if ((status.st_mode & S_ISUID) != 0 && status.st_uid != geteuid())
        return true;
    if ((status.st_mode & S_ISGID) != 0 && (status.st_mode & S_IXGRP) != 0 && status.st_gid != getegid())
        return true;
    return geteuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

static void judge(struct program *program, enum program_verdict verdict, const char *why)
{
    program->verdict = verdict;
    (void)snprintf(program->why, sizeof(program->why), "%s", why);
}

static void judge_binary(struct program *program)
{
    struct elf_facts facts;
    if (elf_read(&facts, program->binary) < 0) {
        /* Executable but not readable: the loader will do it, we cannot look. */
        return;
    }
    if (facts.kind == PROGRAM_ELF32)
        judge(program, PROGRAM_32_BIT, "it is a 32-bit program, and libpprof.so is a 64-bit library");
    else if (facts.kind == PROGRAM_OTHER_MACHINE)
        judge(program, PROGRAM_FOREIGN, "it was built for another kind of machine");
    else if (facts.kind == PROGRAM_NATIVE && !facts.dynamic)
        judge(program, PROGRAM_STATIC,
              facts.go    ? "it is a statically linked Go program, so nothing can be loaded into it"
              : facts.pie ? "it is linked statically (static-pie), so nothing can be loaded into it"
                          : "it is linked statically, so nothing can be loaded into it");
    else if (facts.kind == PROGRAM_NATIVE && facts.musl)
        judge(program, PROGRAM_MUSL, "it uses the musl C library, in which libpprof.so stays idle");
    else if (raises_privileges(program->binary))
        judge(program, PROGRAM_PRIVILEGED,
              "it runs with raised privileges (setuid, setgid or file capabilities), so the loader ignores LD_PRELOAD");
    elf_done(&facts);
}

void program_inspect(struct program *ret_program, const char *command)
{
    *ret_program = (struct program){.verdict = PROGRAM_LOADABLE};
    locate(ret_program, command);
    if (ret_program->verdict == PROGRAM_NOT_FOUND)
        judge(ret_program, PROGRAM_NOT_FOUND, "it was not found; check the name or give its path");
    else if (ret_program->verdict == PROGRAM_NOT_EXECUTABLE)
        judge(ret_program, PROGRAM_NOT_EXECUTABLE,
              is_directory(command)
                  ? "it is a directory; give the path of a program in it"
                  : "it cannot be executed; it must be a file with its executable bit set (chmod +x)");
    if (ret_program->verdict != PROGRAM_LOADABLE)
        return;
    follow_scripts(ret_program);
    if (ret_program->verdict == PROGRAM_LOADABLE)
        judge_binary(ret_program);
}
