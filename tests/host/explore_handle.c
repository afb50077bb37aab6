/*
 * Handle tables under the explorer: looking up, adding, closing, links and the end of the table, all at once.
 */
#include <string.h>

#include "explore.h"

static struct {
    struct thing *thing[2];
    unsigned last[2], gone[2];
    handle_t h;
    struct handle_table other;
} the;

static struct handle_table *table(void)
{
    return &explore_process.handles;
}

static void make_things(void)
{
    memset(&the, 0, sizeof the);
    for (unsigned i = 0; i < 2; i++)
        the.thing[i] = thing_new(OBJ_TIMER + i, &the.last[i], &the.gone[i]);
    handle_table_init(&the.other, &explore_job.account);
}

/* Only the references of setup are left, once both tables are empty. */
static void drop_things(void)
{
    handle_table_destroy(&the.other);
    for (unsigned i = 0; i < 2; i++) {
        EXPLORE_EXPECT(the.thing[i]->obj.handles == 0);
        EXPLORE_EXPECT(the.last[i] <= 1);
        object_put(&the.thing[i]->obj);
        EXPLORE_EXPECT(the.gone[i] == 1);
    }
}

/* ---- a number that is closed and given anew ---- */

static void setup_one(void)
{
    make_things();
    the.h = handle_add(table(), &the.thing[0]->obj, RIGHT_WAIT, 0, 0);
    EXPLORE_EXPECT(the.h > 0);
    object_put(&the.thing[0]->obj); /* the handle alone keeps it */
}

static void get_and_use(void)
{
    for (int i = 0; i < 2; i++) {
        struct object *o;
        status_t st = handle_get(the.h, 0, 0, &o);
        EXPLORE_EXPECT(st == OK || st == -EBADF);
        if (st != OK)
            continue;
        EXPLORE_EXPECT(o->type == OBJ_TIMER); /* never what another handle stands for */
        object_put(o);
    }
}

static void close_it(void)
{
    EXPLORE_EXPECT(handle_close_in(table(), the.h) == OK);
}

static void add_another(void)
{
    handle_t h = handle_add(table(), &the.thing[1]->obj, RIGHT_WAIT, 0, 0);
    EXPLORE_EXPECT(h > 0);
    EXPLORE_EXPECT(handle_close_in(table(), h) == OK);
    EXPLORE_EXPECT(handle_close_in(table(), h) == -EBADF);
}

static void check_one(void)
{
    EXPLORE_EXPECT(the.gone[0] == 1 && the.last[0] == 1 && the.last[1] == 1);
    object_put(&the.thing[1]->obj);
    EXPLORE_EXPECT(the.gone[1] == 1);
    handle_table_destroy(&the.other);
}

/* ---- the table ends ---- */

static void end_table(void)
{
    handle_table_destroy(table());
}

static void setup_end(void)
{
    make_things();
    the.h = handle_add(table(), &the.thing[0]->obj, RIGHT_WAIT, 0, 0);
    EXPLORE_EXPECT(the.h > 0);
}

static void add_to_ending(void)
{
    handle_t h = handle_add(table(), &the.thing[1]->obj, RIGHT_WAIT, HANDLE_FD, 0);
    EXPLORE_EXPECT(h >= 0 || h == -ESRCH);
}

/* As a message moves it. */
static void move_from_ending(void)
{
    struct grant g;
    if (handle_get_grant(the.h, 0, 0, &g) != OK)
        return;
    struct object *o = g.obj;
    EXPLORE_EXPECT(handle_add_grant(&the.other, &g) > 0);
    handle_close_if(table(), the.h, o);
}

static void check_end(void)
{
    EXPLORE_EXPECT(table()->open == 0);
    drop_things();
}

/* ---- a number of our choice, replaced and closed ---- */

static void replace(unsigned i)
{
    handle_t h = handle_add(table(), &the.thing[i]->obj, RIGHT_WAIT, HANDLE_EXACT, 5);
    EXPLORE_EXPECT(h == 5);
}
static void replace_0(void)
{
    replace(0);
}
static void replace_1(void)
{
    replace(1);
}
static void close_5(void)
{
    status_t st = handle_close_in(table(), 5);
    EXPLORE_EXPECT(st == OK || st == -EBADF);
}
static void check_5(void)
{
    (void)handle_close_in(table(), 5);
    drop_things();
}

/* ---- what hangs on a handle ---- */

static struct {
    struct handle_link link;
    unsigned closed, removed;
    bool hung;
} hook;

static void hook_closed(struct handle_link *l)
{
    EXPLORE_EXPECT(l == &hook.link);
    hook.closed++;
}

static void setup_link(void)
{
    setup_one();
    memset(&hook, 0, sizeof hook);
    hook.link.closed = hook_closed;
    object_get(&the.thing[0]->obj);
}
static void hang_and_take(void)
{
    hook.hung = handle_link_add(the.h, &the.thing[0]->obj, &hook.link) == OK;
    if (hook.hung && handle_link_remove(&explore_process, the.h, &hook.link))
        hook.removed++;
}
static void take(void)
{
    if (handle_link_remove(&explore_process, the.h, &hook.link))
        hook.removed++;
}
static void check_link(void)
{
    EXPLORE_EXPECT(hook.closed + hook.removed == hook.hung);
    drop_things();
}

static const struct explore_scenario scenarios[] = {
    { "handle: stale numbers", setup_one, { get_and_use, close_it, add_another }, check_one },
    { "handle: the table ends",
      setup_end,
      { move_from_ending, end_table, add_to_ending },
      check_end },
    { "handle: replaced", make_things, { replace_0, replace_1, close_5 }, check_5 },
    { "handle: links", setup_link, { hang_and_take, close_it, take }, check_link },
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scenarios, ARRAY_SIZE(scenarios));
}
