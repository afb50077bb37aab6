/*
 * Queues in order of priority (klib/prio_queue.h) against a plain array: what comes out is always the most important, and of
 * equals the one that came first, whoever was taken out of the middle before.
 *
 * SOURCES: FLAGS: -Itests/host/fake -Ikernel
 */
#include <string.h>

#include "check.h"
#include "klib/prio_queue.h"

enum { ELEMENTS = 40, PRIORITIES = 16, STEPS = 200000 };

static struct prio_queue queue;
static struct prio_node nodes[ELEMENTS];

/* The model: what is queued, in the order of its arrival. */
static struct prio_node *arrived[ELEMENTS];
static unsigned count;

static void model_del(const struct prio_node *n)
{
    for (unsigned i = 0; i < count; i++)
        if (arrived[i] == n) {
            memmove(&arrived[i], &arrived[i + 1], (--count - i) * sizeof arrived[0]);
            return;
        }
}

static struct prio_node *model_first(void)
{
    struct prio_node *first = NULL;
    for (unsigned i = 0; i < count; i++)
        if (!first || arrived[i]->priority > first->priority)
            first = arrived[i];
    return first;
}

/* All of the queue in its order, as the model has it. */
static void check_order(void)
{
    unsigned n = 0;
    const struct prio_node *before = NULL;
    PRIO_FOR (at, &queue) {
        CHECK(prio_queued(at));
        CHECK(!before || before->priority >= at->priority);
        before = at;
        n++;
    }
    CHECK(n == count);
    CHECK(prio_first(&queue) == model_first());
    CHECK(prio_queue_empty(&queue) == (count == 0));
}

static void toggle(struct prio_node *n, unsigned priorities)
{
    if (prio_queued(n)) {
        prio_del(n);
        model_del(n);
        CHECK(!prio_queued(n));
        prio_del(n); /* harmless */
        return;
    }
    prio_add(&queue, n, (unsigned)(check_random() % priorities));
    arrived[count++] = n;
}

static void take_all(void)
{
    for (struct prio_node *n; (n = prio_first(&queue));) {
        CHECK(n == model_first());
        prio_del(n);
        model_del(n);
    }
    CHECK(count == 0);
}

/* Emptied while it is walked through. */
static void delete_in_loop(void)
{
    for (unsigned i = 0; i < ELEMENTS; i++)
        prio_add(&queue, &nodes[i], i % 3);
    unsigned n = 0;
    PRIO_FOR (at, &queue) {
        prio_del(at);
        n++;
    }
    CHECK(n == ELEMENTS && prio_queue_empty(&queue));
}

int main(void)
{
    prio_queue_init(&queue);
    for (unsigned i = 0; i < ELEMENTS; i++)
        prio_node_init(&nodes[i]);
    for (unsigned round = 1; round <= PRIORITIES; round += 5) {
        for (unsigned i = 0; i < STEPS; i++) {
            toggle(&nodes[check_random() % ELEMENTS], round);
            if (i % 16 == 0)
                check_order();
        }
        take_all();
    }
    delete_in_loop();
    return check_done("prio_queue");
}
