/* Builtins (builtin.h). */
#include "apps/sh/builtin.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/sh/run.h"

static bool do_cd(char **argv, int fds[3])
{
    const char *dir = argv[1] != NULL ? argv[1] : "/";

    (void)fds;
    last_status = chdir(dir) == 0 ? 0 : 1;
    if (last_status != 0)
        fprintf(stderr, "sh: cd: %s: %s\n", dir, strerror(errno));
    return true;
}

static bool do_pwd(char **argv, int fds[3])
{
    char cwd[PATH_MAX];

    (void)argv;
    last_status = getcwd(cwd, sizeof(cwd)) != NULL && dprintf(fds[1], "%s\n", cwd) > 0 ? 0 : 1;
    return true;
}

static bool do_exit(char **argv, int fds[3])
{
    (void)fds;
    exit(argv[1] != NULL ? atoi(argv[1]) & 255 : last_status);
}

static bool do_run(char **argv, int fds[3])
{
    if (argv[1] == NULL) {
        fprintf(stderr, "usage: run PROGRAM [ARGUMENTS]\n");
        last_status = 2;
        return true;
    }
    return run_program(argv + 1, fds);
}

/* The names in a directory of programs, in rows. */
static void list_programs(int fd, const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    int column = 0;

    if (d == NULL)
        return;
    while ((entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        dprintf(fd, "%s%-12s", column == 0 ? "  " : " ", entry->d_name);
        column = (column + 1) % 6;
        if (column == 0)
            dprintf(fd, "\n");
    }
    if (column != 0)
        dprintf(fd, "\n");
    closedir(d);
}

static void list_packages(int fd)
{
    DIR *d = opendir("/pkg");
    struct dirent *entry;

    while (d != NULL && (entry = readdir(d)) != NULL) {
        char path[PATH_MAX];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/pkg/%s/bin", entry->d_name);
        list_programs(fd, path);
    }
    if (d != NULL)
        closedir(d);
}

static bool do_help(char **argv, int fds[3])
{
    (void)argv;
    dprintf(fds[1], "cd [DIR]   pwd   help   exit [STATUS]   run PROGRAM [ARGUMENTS]\n"
                    "COMMAND > FILE, >> FILE, < FILE     A | B   A; B   A && B   A || B\n"
                    "$?   $NAME   NAME=VALUE\n"
                    "Keys: arrows, Home, End, Ctrl-A E U W K L; Ctrl-C ends the running program.\n"
                    "Programs:\n");
    list_programs(fds[1], "/boot/bin");
    list_programs(fds[1], "/bin");
    list_packages(fds[1]);
    last_status = 0;
    return true;
}

static const struct builtin {
    const char *name;
    bool (*run)(char **argv, int fds[3]);
} table[] = {
    { "cd", do_cd }, { "pwd", do_pwd }, { "help", do_help }, { "run", do_run }, { "exit", do_exit },
};

static const struct builtin *find(const char *name)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(name, table[i].name) == 0)
            return &table[i];
    }
    return NULL;
}

bool builtin_known(const char *name)
{
    return find(name) != NULL;
}

bool builtin_run(char **argv, int fds[3], bool *go_on)
{
    const struct builtin *b = find(argv[0]);

    if (b != NULL)
        *go_on = b->run(argv, fds);
    return b != NULL;
}
