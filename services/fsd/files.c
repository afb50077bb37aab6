/*
 * The table of open files (files.h). A badge is FILE_BADGE, a generation and an index; the generation
 * makes a badge that lived before never lead to its successor. It starts with the time, so that the
 * badges of an earlier fsd lead nowhere too.
 */
#include "services/fsd/files.h"

#include <errno.h>
#include <rugo/abi.h>
#include <rugo/syscall.h>
#include <stdlib.h>

#include "services/fsd/fiber.h"
#include "services/fsd/walk.h"

#define FILE_BADGE 0x8000000000000000u

enum { INDEX_BITS = 32, FIRST_TABLE = 64 };

static struct open_file **table;    /* NULL: a free place */
static uint32_t size, used;
static uint32_t hint;               /* no free place below */
static uint32_t generation;

/* A free place in the table, which grows as needed. */
static int find_place(uint32_t *out)
{
    struct open_file **bigger;
    uint32_t new_size;

    if (used == FILES_MAX)
        return -ENFILE;
    if (used == size) {
        new_size = size == 0 ? FIRST_TABLE : size * 2;
        bigger = realloc(table, new_size * sizeof(*table));
        if (bigger == NULL)
            return -ENOMEM;
        for (uint32_t i = size; i < new_size; i++)
            bigger[i] = NULL;
        table = bigger;
        size = new_size;
    }
    while (table[hint] != NULL)
        hint++;
    *out = hint;
    return 0;
}

int file_new(struct vnode *vn, uint32_t access, struct open_file **out)
{
    struct open_file *file = calloc(1, sizeof(*file));
    uint32_t place = 0;
    int st = file != NULL ? find_place(&place) : -ENOMEM;

    if (st != 0) {
        free(file);
        vnode_put(vn);
        return st;
    }
    if (generation == 0)
        generation = (uint32_t)sys_time_now(CLOCK_MONOTONIC);
    generation = (generation + 1) & 0x7fffffff;
    file->vn = vn;
    file->access = access;
    file->refs = 1;
    file->badge = FILE_BADGE | (uint64_t)generation << INDEX_BITS | place;
    table[place] = file;
    used++;
    *out = file;
    return 0;
}

/* What a badge leads to, borrowed. */
static struct open_file *find(uint64_t badge)
{
    uint32_t place = (uint32_t)badge;

    if ((badge & FILE_BADGE) == 0 || place >= size || table[place] == NULL ||
        table[place]->badge != badge)
        return NULL;
    return table[place];
}

struct open_file *file_get(uint64_t badge)
{
    static struct open_file root = { .is_root = true, .refs = 1 };
    struct open_file *file = find(badge);

    if (file == NULL && (badge & FILE_BADGE) == 0) {
        file = &root;
        file->vn = mounts.root_vn;
    }
    if (file != NULL)
        file->refs++;
    return file;
}

void file_put(struct open_file *file)
{
    if (--file->refs > 0 || file->is_root)
        return;
    vnode_put(file->vn);
    free(file);
}

void file_closed(uint64_t badge)
{
    struct open_file *file = find(badge);
    uint32_t place = (uint32_t)badge;

    if (file == NULL)
        return;
    table[place] = NULL;
    used--;
    if (place < hint)
        hint = place;
    file_put(file);
}

void file_take_pos(struct open_file *file)
{
    while (file->moving)
        fiber_wait(file);
    file->moving = true;
}

void file_give_pos(struct open_file *file)
{
    file->moving = false;
    fiber_wake(file);
}

void files_forget(void)
{
    for (uint32_t i = 0; i < size; i++) {
        if (table[i] != NULL)
            file_closed(table[i]->badge);
    }
}
